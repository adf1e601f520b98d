-- One row: whether every order of the landing comes once and none is in the warehouse yet.
-- Reason: true for nearly every page of a first read, which can then be inserted as it is, without weighing versions.
SELECT
    (SELECT count(*) = count(DISTINCT id) FROM frame)
    AND NOT EXISTS (SELECT 1 FROM mews.product_service_orders AS stored SEMI JOIN frame ON stored.id = frame.id);
