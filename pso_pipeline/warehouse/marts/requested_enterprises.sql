-- requested_enterprises: one row for each enterprise that this derivation looks at: those asked for by id, or all that
-- the warehouse knows or the marts hold.
--   is_stale               its facts are recomputed: asked for by id, or its inputs are not those it was made from
--   is_revised             only the facts of some of its orders are (told_enterprises.sql); then it is not stale
--   previous_midnight_utc  what its figures were made with before
CREATE OR REPLACE TEMP TABLE requested_enterprises AS
SELECT
    coalesce(inputs.enterprise_id, derived.enterprise_id) AS enterprise_id,
    inputs.time_zone,
    inputs.as_of_utc,
    inputs.last_midnight_utc,
    inputs.requires_all_companions,
    derived.last_midnight_utc AS previous_midnight_utc,
    coalesce(inputs.enterprise_id, derived.enterprise_id) IN (SELECT unnest($enterprise_ids::VARCHAR[]))
    OR inputs.input_digest IS DISTINCT FROM derived.input_digest AS is_stale,
    FALSE AS is_revised
FROM enterprise_inputs AS inputs
FULL JOIN marts.internal.derived_enterprises AS derived ON derived.enterprise_id = inputs.enterprise_id
WHERE
    $looks_at_all
    OR coalesce(inputs.enterprise_id, derived.enterprise_id) IN (SELECT unnest($enterprise_ids::VARCHAR[]));
