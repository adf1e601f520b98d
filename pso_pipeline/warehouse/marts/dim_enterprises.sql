-- mart.dim_enterprises: one row for each enterprise that the warehouse knows. Source: enterprise_inputs.
-- A hotel is marked as held back in the published copy alone.
DELETE FROM mart.dim_enterprises WHERE enterprise_id IN (SELECT enterprise_id FROM batch_enterprises);

INSERT INTO mart.dim_enterprises BY NAME
SELECT
    inputs.* EXCLUDE (
        is_time_zone_known, time_zone_identifier, last_midnight_utc, requires_all_companions, input_digest
    ),
    FALSE AS is_held_back,
    NULL AS held_back_reason
FROM enterprise_inputs AS inputs
INNER JOIN batch_enterprises AS batch ON batch.enterprise_id = inputs.enterprise_id;
