-- missing: what a full resync did not find. A template: {{endpoint}} is the endpoint's name as a text, {{table}} the table of its
-- records, {{scope}} the column of the scope. Reads the relation `progress`, one row for each scope that was read to its end.
-- {{judged}} leaves out what no full read can find: items of services that are not listed.
-- Records that had not been read by $read_before, when the resync began, are not judged: another refresh landed them meanwhile.

-- name: count
-- One row for each scope: how many records the warehouse holds as present, how many of them the full resync did not find, and how
-- many of those the full read before did not find either.
SELECT
    progress.scope_id,
    count(stored.id) AS present,
    count(stored.id) FILTER (WHERE seen.id IS NULL) AS missing,
    count(stored.id) FILTER (WHERE seen.id IS NULL AND candidates.id IS NOT NULL) AS again
FROM progress
LEFT JOIN {{table}} AS stored
    ON
        stored.{{scope}} = progress.scope_id
        AND NOT stored.is_missing_from_source
        AND stored.fetched_utc <= $read_before
        {{judged}}
LEFT JOIN (SELECT DISTINCT id FROM mews.full_read_ids WHERE endpoint = {{endpoint}}) AS seen ON seen.id = stored.id
LEFT JOIN (SELECT DISTINCT scope_id, id FROM mews.missing_candidates WHERE endpoint = {{endpoint}}) AS candidates
    ON candidates.id = stored.id AND candidates.scope_id = stored.{{scope}}
GROUP BY progress.scope_id;

-- name: mark
-- Marks the records of the scopes in `marked` that neither this full resync nor the full read before found. The caller has checked
-- that the share is plausible.
UPDATE {{table}} AS stored
SET is_missing_from_source = true
FROM marked
WHERE
    stored.{{scope}} = marked.scope_id
    AND NOT stored.is_missing_from_source
    AND stored.fetched_utc <= $read_before
    {{judged}}
    AND NOT EXISTS (SELECT 1 FROM mews.full_read_ids AS seen WHERE seen.endpoint = {{endpoint}} AND seen.id = stored.id)
    AND EXISTS (
        SELECT 1
        FROM mews.missing_candidates AS candidates
        WHERE
            candidates.endpoint = {{endpoint}}
            AND candidates.id = stored.id
            AND candidates.scope_id = stored.{{scope}}
    );

-- name: forget_candidates
DELETE FROM mews.missing_candidates
WHERE endpoint = {{endpoint}} AND scope_id IN (SELECT scope_id FROM progress);

-- name: keep_candidates
-- Notes the records that this full resync did not find, for the next one.
INSERT INTO mews.missing_candidates BY NAME
SELECT {{endpoint}} AS endpoint, stored.{{scope}} AS scope_id, stored.id
FROM {{table}} AS stored
SEMI JOIN progress ON progress.scope_id = stored.{{scope}}
ANTI JOIN mews.full_read_ids AS seen ON seen.endpoint = {{endpoint}} AND seen.id = stored.id
WHERE
    NOT stored.is_missing_from_source
    AND stored.fetched_utc <= $read_before
    {{judged}};

-- name: keep_seen
-- Notes the ids that an unfinished full resync saw: one row of `seen` for each.
INSERT INTO mews.full_read_ids SELECT {{endpoint}}, scope_id, id FROM seen;

-- name: forget_seen
DELETE FROM mews.full_read_ids WHERE endpoint = {{endpoint}} AND scope_id IN (SELECT unnest($ids::VARCHAR[]));

-- name: end_resync
UPDATE mews.sync_state SET resync_started_utc = NULL
WHERE endpoint = {{endpoint}} AND scope_id IN (SELECT unnest($ids::VARCHAR[]));
