-- mart.rpt_orders: one row for each order, with the names of its hotel and service.
-- Source: mart.fct_product_service_orders, mart.dim_enterprises, mart.dim_services.
CREATE OR REPLACE VIEW mart.rpt_orders AS
SELECT
    orders.*,
    enterprises.* EXCLUDE (enterprise_id, is_held_back, held_back_reason),
    services.* EXCLUDE (service_id, enterprise_id)
FROM mart.fct_product_service_orders AS orders
LEFT JOIN mart.dim_enterprises AS enterprises ON enterprises.enterprise_id = orders.enterprise_id
LEFT JOIN mart.dim_services AS services ON services.service_id = orders.service_id;
