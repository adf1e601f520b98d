-- Gives services whose orders changed a new revision, from which deriving tells which marts are stale.
-- One row of `progress` for each of them.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.service_id = reached.service_id
WHEN MATCHED THEN UPDATE SET revision = stored.revision + 1
WHEN NOT MATCHED THEN INSERT (service_id, enterprise_id, revision) VALUES (
    reached.service_id, reached.enterprise_id, 1
);
