-- versions: which version of a record wins, and how every version that was ever seen is kept once. A template: {{table}} holds the
-- newest versions, {{superseded}} those that they replaced, {{content}} the columns by which two versions of one update time differ.

-- name: rank
-- ranked: one row for each version at hand of each record that comes in, whether just read (`frame`) or stored.
--   is_stored   the warehouse holds this version as the record's current one
--   is_known    the warehouse holds some version of the record
--   is_current  this version wins: the latest updated_utc, and within one second the one that was read last
--               (UpdatedUtc has whole seconds, so two edits within one second look alike)
--   is_tied     another version of the record has the same updated_utc, or this one has none that can be believed: it may
--               become the current one again
-- A version that is read again keeps the time at which it was read first. content_hash is used within this landing alone.
CREATE OR REPLACE TEMP TABLE ranked AS
WITH at_hand AS (
    SELECT *, false AS is_stored FROM frame
    UNION ALL BY NAME
    SELECT stored.*, true AS is_stored FROM {{table}} AS stored SEMI JOIN frame ON stored.id = frame.id
),

hashed AS (
    SELECT *, hash({{content}}) AS content_hash FROM at_hand
),

versions AS (
    SELECT *, max(fetched_utc) OVER version AS last_read_utc
    FROM hashed
    WINDOW version AS (PARTITION BY id, updated_utc, content_hash)
    QUALIFY row_number() OVER (PARTITION BY id, updated_utc, content_hash ORDER BY is_stored DESC, fetched_utc) = 1
)

SELECT
    *,
    bool_or(is_stored) OVER (PARTITION BY id) AS is_known,
    row_number() OVER (
        PARTITION BY id
        ORDER BY
            if(updated_utc > last_read_utc + INTERVAL 1 DAY, last_read_utc, updated_utc) DESC,
            last_read_utc DESC,
            content_hash
    ) = 1 AS is_current,
    count(*) OVER (PARTITION BY id, updated_utc) > 1 OR updated_utc > last_read_utc + INTERVAL 1 DAY AS is_tied
FROM versions;

-- name: keep_superseded
-- Adds each version at hand that is not the current one and is not kept yet: those that are replaced now, and older ones that
-- were read late.
INSERT INTO {{superseded}} BY NAME
SELECT
    ranked.* EXCLUDE (is_stored, content_hash, last_read_utc, is_known, is_current, is_tied),
    ranked.fetched_utc AS observed_utc
FROM ranked
WHERE
    NOT ranked.is_current
    AND NOT EXISTS (
        SELECT 1
        FROM (SELECT id, updated_utc, hash({{content}}) AS content_hash FROM {{superseded}}) AS kept
        WHERE
            kept.id = ranked.id
            AND kept.updated_utc = ranked.updated_utc
            AND kept.content_hash = ranked.content_hash
    );

-- name: drop_current_again
-- Removes a superseded version that is the current one again: two edits within one second can be read in turns, and each version
-- is kept once.
DELETE FROM {{superseded}} AS kept
USING ranked
WHERE
    ranked.is_current
    AND ranked.is_tied
    AND kept.id = ranked.id
    AND kept.updated_utc = ranked.updated_utc
    AND hash({{content_of_kept}}) = ranked.content_hash;

-- name: correct_enterprise
-- Gives versions the enterprise of their service, as merge.sql does for records.
UPDATE {{superseded}} AS versions
SET enterprise_id = services.enterprise_id
FROM mews.services
WHERE services.id = versions.service_id AND services.enterprise_id IS DISTINCT FROM versions.enterprise_id;

-- name: find_future_stamps
-- future_stamps: one row for each time after $latest at which a record was read, with the one that replaces it: $now, and in
-- the same order.
CREATE OR REPLACE TEMP TABLE future_stamps AS
WITH stamps AS (
    SELECT fetched_utc AS stamp FROM {{table}} WHERE fetched_utc > $latest
    UNION
    SELECT fetched_utc AS stamp FROM {{superseded}} WHERE fetched_utc > $latest
    UNION
    SELECT observed_utc AS stamp FROM {{superseded}} WHERE observed_utc > $latest
)

SELECT stamp, $now::TIMESTAMP - to_microseconds(row_number() OVER (ORDER BY stamp DESC)) AS corrected
FROM stamps;

-- name: correct_fetched
UPDATE {{table}} AS stored SET fetched_utc = future_stamps.corrected
FROM future_stamps
WHERE future_stamps.stamp = stored.fetched_utc;

-- name: correct_superseded_fetched
UPDATE {{superseded}} AS stored SET fetched_utc = future_stamps.corrected
FROM future_stamps
WHERE future_stamps.stamp = stored.fetched_utc;

-- name: correct_superseded_observed
UPDATE {{superseded}} AS stored SET observed_utc = future_stamps.corrected
FROM future_stamps
WHERE future_stamps.stamp = stored.observed_utc;

-- name: change_corrected
-- Gives the scopes whose records, or versions of them, have corrected times a new revision, so that their hotels are recomputed.
UPDATE mews.sync_state
SET revision = coalesce(revision, 0) + 1
WHERE
    endpoint = {{endpoint}}
    AND scope_id IN (
        SELECT {{scope}} FROM {{table}} WHERE fetched_utc IN (SELECT corrected FROM future_stamps)
        UNION
        SELECT {{scope}} FROM {{superseded}} WHERE observed_utc IN (SELECT corrected FROM future_stamps)
    );
