-- Notes every order of the landing in mews.changed_records, as keep_revised.sql does; only where all are new (are_all_new.sql).
INSERT INTO mews.changed_records BY NAME
SELECT 'product_service_orders' AS endpoint, frame.service_id AS scope_id, frame.id, progress.revision
FROM frame
INNER JOIN mews.sync_state AS progress ON progress.endpoint = 'product_service_orders' AND progress.scope_id = frame.service_id
WHERE progress.watermark_utc IS NOT NULL;
