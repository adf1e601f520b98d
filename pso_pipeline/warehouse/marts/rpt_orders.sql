-- mart.rpt_orders: one row for each order, with the names of its hotel and service.
-- Source: mart.fct_product_service_orders, mart.dim_enterprises, mart.dim_services.
-- Reason: nothing that each refresh moves is in it, so that what is published of an unchanged month stays.
CREATE OR REPLACE VIEW mart.rpt_orders AS
SELECT
    orders.*,
    enterprises.enterprise_name,
    enterprises.time_zone,
    enterprises.chain_name,
    enterprises.country_code,
    enterprises.city,
    services.service_name
FROM mart.fct_product_service_orders AS orders
LEFT JOIN mart.dim_enterprises AS enterprises ON enterprises.enterprise_id = orders.enterprise_id
LEFT JOIN mart.dim_services AS services ON services.service_id = orders.service_id;
