-- mews.warehouse_info: one row about the warehouse itself.
--   source         what kind of source fills it: loopback or remote
--   warehouse_id   random, given once: marts that name another one were made from another warehouse
--   derivation_id  random, given by each derivation that changes the marts, before it does. Marts that name another one were
--                  made before a backup of the warehouse was restored, or were restored themselves
-- Reason for REPLACE: it has no row yet, and a process killed midway may have left it with other columns.
CREATE OR REPLACE TABLE mews.warehouse_info (
    schema_version INTEGER,
    source VARCHAR,
    warehouse_id VARCHAR,
    derivation_id VARCHAR
);
