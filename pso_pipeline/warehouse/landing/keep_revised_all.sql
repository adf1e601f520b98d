-- Notes every order of the landing in mews.revised_orders, as keep_revised.sql does; only where all are new (are_all_new.sql).
INSERT INTO mews.revised_orders BY NAME
SELECT frame.service_id, frame.id, progress.revision
FROM frame
INNER JOIN mews.sync_state AS progress ON progress.service_id = frame.service_id
WHERE progress.watermark_utc IS NOT NULL;
