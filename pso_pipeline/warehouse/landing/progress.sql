-- progress: how far the scopes of an endpoint have been read, in mews.sync_state. A template: {{endpoint}} is the endpoint's name as
-- a text, {{table}} the table of its records, {{scope}} the column of the scope.
-- Reads the relation `progress`, one row for each scope. The caller lands the rows in the same transaction.

-- name: full_read
-- How far unfinished full reads have come. A first read is not noted where another process has completed one meanwhile: the scope
-- would look unfinished again.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = {{endpoint}} AND stored.scope_id = reached.scope_id
WHEN MATCHED AND (stored.watermark_utc IS NULL OR reached.is_resync) THEN UPDATE SET
    enterprise_id = reached.enterprise_id,
    full_read_started_utc = reached.started_utc,
    full_read_cursor = reached.cursor,
    full_read_records = reached.records
WHEN NOT MATCHED THEN INSERT (
    endpoint, scope_id, enterprise_id, full_read_started_utc, full_read_cursor, full_read_records, revision
) VALUES (
    {{endpoint}}, reached.scope_id, reached.enterprise_id, reached.started_utc, reached.cursor, reached.records, 0
);

-- name: completed
-- Which scopes have been read to the end. A watermark only moves forward; null leaves it as it is. is_full says that the unfinished
-- full read is the one that ended.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = {{endpoint}} AND stored.scope_id = reached.scope_id
WHEN MATCHED THEN UPDATE SET
    enterprise_id = reached.enterprise_id,
    watermark_utc = greatest(stored.watermark_utc, reached.watermark_utc),
    full_read_started_utc = CASE WHEN NOT reached.is_full THEN stored.full_read_started_utc END,
    full_read_cursor = CASE WHEN NOT reached.is_full THEN stored.full_read_cursor END,
    full_read_records = CASE WHEN NOT reached.is_full THEN stored.full_read_records END,
    resync_started_utc = coalesce(reached.resync_started_utc, stored.resync_started_utc),
    last_success_utc = reached.succeeded_utc,
    last_error = NULL
WHEN NOT MATCHED THEN INSERT (endpoint, scope_id, enterprise_id, watermark_utc, last_success_utc, revision) VALUES (
    {{endpoint}}, reached.scope_id, reached.enterprise_id, reached.watermark_utc, reached.succeeded_utc, 0
);

-- name: failed
-- Why scopes could not be read.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = {{endpoint}} AND stored.scope_id = reached.scope_id
WHEN MATCHED THEN UPDATE SET last_error = reached.error
WHEN NOT MATCHED THEN INSERT (endpoint, scope_id, enterprise_id, last_error, revision) VALUES (
    {{endpoint}}, reached.scope_id, reached.enterprise_id, reached.error, 0
);

-- name: changed
-- Gives scopes whose records changed a new revision, by which the marts find what they have to recompute.
MERGE INTO mews.sync_state AS stored
USING progress AS reached ON stored.endpoint = {{endpoint}} AND stored.scope_id = reached.scope_id
WHEN MATCHED THEN UPDATE SET revision = stored.revision + 1
WHEN NOT MATCHED THEN INSERT (endpoint, scope_id, enterprise_id, revision) VALUES (
    {{endpoint}}, reached.scope_id, reached.enterprise_id, 1
);

-- name: move
-- Gives the progress of the services $ids, which are another hotel's now, that hotel and a new revision.
UPDATE mews.sync_state AS stored
SET enterprise_id = services.enterprise_id, revision = stored.revision + 1
FROM mews.services
WHERE
    stored.endpoint = {{endpoint}}
    AND services.id = stored.scope_id
    AND services.id IN (SELECT unnest($ids::VARCHAR[]));

-- name: begin_again
-- Has all history read again of hotels that list a service for the first time (`found`, before it lands) which is older than what
-- has been read of them: the full read did not ask for its records. A hotel whose read failed last keeps what it has.
UPDATE mews.sync_state AS stored
SET
    watermark_utc = NULL,
    full_read_started_utc = NULL,
    full_read_cursor = NULL,
    full_read_records = NULL,
    resync_started_utc = NULL
FROM (
    SELECT found.enterprise_id, min(coalesce(found.created_utc, '-infinity'::TIMESTAMP)) AS created_utc
    FROM found
    ANTI JOIN mews.services AS known ON known.id = found.id
    GROUP BY found.enterprise_id
) AS late
WHERE
    stored.endpoint = {{endpoint}}
    AND stored.scope_id = late.enterprise_id
    AND stored.last_error IS NULL
    AND late.created_utc < stored.watermark_utc;

-- name: correct_watermarks
-- Moves the watermarks that are later than $latest back: to the latest update of the scope's records before $now, or to $believed
-- before $now where the watermark is no further ahead than that, whichever is later. Null where there is neither.
WITH wrong AS (
    SELECT
        progress.scope_id,
        max(CASE WHEN progress.watermark_utc <= $now::TIMESTAMP + $believed THEN $now::TIMESTAMP - $believed END) AS a_day_ago,
        max(records.updated_utc) AS latest_update
    FROM mews.sync_state AS progress
    LEFT JOIN {{table}} AS records
        ON records.{{scope}} = progress.scope_id AND records.updated_utc <= $now::TIMESTAMP
    WHERE progress.endpoint = {{endpoint}} AND progress.watermark_utc > $latest
    GROUP BY progress.scope_id
)

UPDATE mews.sync_state AS stored
SET
    watermark_utc = greatest(wrong.a_day_ago, wrong.latest_update),
    last_success_utc = least(stored.last_success_utc, $now::TIMESTAMP),
    revision = coalesce(stored.revision, 0) + 1
FROM wrong
WHERE stored.endpoint = {{endpoint}} AND wrong.scope_id = stored.scope_id;

-- name: correct_full_reads
-- Gives up the unfinished full reads that began after $latest: they start from the top.
UPDATE mews.sync_state
SET full_read_started_utc = NULL, full_read_cursor = NULL, full_read_records = NULL, resync_started_utc = NULL
WHERE endpoint = {{endpoint}} AND (full_read_started_utc > $latest OR resync_started_utc > $latest);
