-- merge: how records of an endpoint land in its table. A template: {{table}} is the table of the newest versions, {{endpoint}} its
-- name as a text, {{scope}} the column of the scope.
-- Reads the relation `frame`, one row for each record read, in any order and with any repetition, or `ranked` (versions.sql).

-- name: are_all_new
-- One row: whether every record of the landing comes once and none is in the warehouse yet.
-- Reason: true for nearly every landing of a first read, whose records can then be inserted without ranking versions.
SELECT
    (SELECT count(*) = count(DISTINCT id) FROM frame)
    AND NOT EXISTS (SELECT 1 FROM {{table}} AS stored SEMI JOIN frame ON stored.id = frame.id);

-- name: insert_all
INSERT INTO {{table}} BY NAME SELECT * FROM frame;

-- name: insert_new
-- Adds the records that the warehouse does not hold yet, in their newest version.
INSERT INTO {{table}} BY NAME
SELECT * EXCLUDE (is_stored, content_hash, last_read_utc, is_known, is_current, is_tied)
FROM ranked
WHERE is_current AND NOT is_known;

-- name: update_changed
-- Replaces the records that changed, or that had been marked missing and were read again, by their newest version.
MERGE INTO {{table}} AS stored
USING (
    SELECT
        * EXCLUDE (is_stored, content_hash, last_read_utc, is_known, is_current, is_tied)
        REPLACE (false AS is_missing_from_source)
    FROM ranked
    WHERE is_current AND is_known AND (NOT is_stored OR is_missing_from_source)
) AS newest ON stored.id = newest.id
WHEN MATCHED THEN UPDATE SET {{from_newest}};

-- name: count_all
-- One row for each scope: its records in a landing of new records alone.
SELECT {{scope}}, max(enterprise_id), count(*) AS created, 0 AS changed, count(*) AS affected, false AS is_tied
FROM frame
GROUP BY {{scope}};

-- name: count_ranked
-- One row for each scope: how many of its records are new, how many change, and how many rows are of a record that the landing
-- affects in any way: a late older version counts, and so does the version by which a record belonged to another scope.
WITH affected AS (
    SELECT DISTINCT id FROM ranked WHERE NOT is_stored OR is_missing_from_source
)

SELECT
    ranked.{{scope}},
    max(ranked.enterprise_id),
    count(*) FILTER (WHERE ranked.is_current AND NOT ranked.is_known) AS created,
    count(*) FILTER (
        WHERE ranked.is_current AND ranked.is_known AND (NOT ranked.is_stored OR ranked.is_missing_from_source)
    ) AS changed,
    count(affected.id) AS affected,
    bool_or(ranked.is_tied) AS is_tied
FROM ranked
LEFT JOIN affected ON affected.id = ranked.id
GROUP BY ranked.{{scope}};

-- name: note_all
-- Notes every record of a landing of new records in mews.changed_records, as note_changed does.
INSERT INTO mews.changed_records BY NAME
SELECT {{endpoint}} AS endpoint, frame.{{scope}} AS scope_id, frame.id, progress.revision
FROM frame
INNER JOIN mews.sync_state AS progress ON progress.endpoint = {{endpoint}} AND progress.scope_id = frame.{{scope}}
WHERE progress.watermark_utc IS NOT NULL;

-- name: note_changed
-- Notes in mews.changed_records which records the landing affects, with the revision that it gave their scopes: those of each
-- version at hand, so that a record that moved to another scope, which can be another hotel's, is noted for both.
-- A scope that has not been read to its end is left out: the marts of its hotel are recomputed whole.
INSERT INTO mews.changed_records BY NAME
SELECT DISTINCT {{endpoint}} AS endpoint, ranked.{{scope}} AS scope_id, ranked.id, progress.revision
FROM ranked
SEMI JOIN (SELECT id FROM ranked WHERE NOT is_stored OR is_missing_from_source) AS affected ON affected.id = ranked.id
INNER JOIN mews.sync_state AS progress ON progress.endpoint = {{endpoint}} AND progress.scope_id = ranked.{{scope}}
WHERE progress.watermark_utc IS NOT NULL;

-- name: correct_enterprise
-- Gives records the enterprise of their service, where they landed before it was listed or where it is another hotel's now.
UPDATE {{table}} AS records
SET enterprise_id = services.enterprise_id
FROM mews.services
WHERE services.id = records.service_id AND services.enterprise_id IS DISTINCT FROM records.enterprise_id;

-- name: scopes_without_enterprise
-- One row for each service that is listed now and whose records landed earlier without their enterprise.
SELECT DISTINCT services.id, services.enterprise_id
FROM {{table}} AS records
INNER JOIN mews.services ON services.id = records.service_id
WHERE records.enterprise_id IS NULL;
