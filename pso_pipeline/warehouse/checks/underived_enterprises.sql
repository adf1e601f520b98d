-- One row for each hotel that the warehouse knows and whose figures are not in the marts, as after an upgrade or a derivation
-- that was killed. Source: mews.enterprises, mews.sync_state, marts.internal.derived_enterprises.
SELECT known.enterprise_id
FROM (
    SELECT id AS enterprise_id FROM mews.enterprises
    UNION
    SELECT enterprise_id FROM mews.sync_state WHERE enterprise_id IS NOT NULL
) AS known
ANTI JOIN marts.internal.derived_enterprises AS derived ON derived.enterprise_id = known.enterprise_id;
