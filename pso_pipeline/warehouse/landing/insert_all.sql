-- Adds every order of the landing to mews.product_service_orders; only where all are new (are_all_new.sql).
INSERT INTO mews.product_service_orders BY NAME SELECT * FROM frame;
