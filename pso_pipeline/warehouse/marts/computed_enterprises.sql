-- internal.computed_enterprises: one row for each enterprise whose metrics are in the marts, with what they were computed from.
-- Source: enterprise_inputs, affected_enterprises.
SELECT
    inputs.enterprise_id,
    inputs.input_digest,
    inputs.requires_all_companions,
    inputs.last_midnight_utc,
    inputs.time_zone,
    inputs.items_midnight_utc
FROM enterprise_inputs AS inputs
SEMI JOIN affected_enterprises AS affected ON affected.enterprise_id = inputs.enterprise_id
