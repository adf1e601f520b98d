-- mart.dim_enterprises: one row for each enterprise that the warehouse knows. Source: enterprise_inputs, affected_enterprises.
-- A hotel is marked as held back in the published copy alone.
SELECT
    inputs.enterprise_id,
    inputs.enterprise_name,
    inputs.partition_key,
    inputs.time_zone,
    inputs.chain_name,
    inputs.country_code,
    inputs.city,
    inputs.is_in_scope,
    inputs.accommodation_environment_code,
    inputs.as_of_utc,
    inputs.as_of_date,
    FALSE AS is_held_back,
    NULL AS held_back_reason,
    inputs.items_as_of_utc
FROM enterprise_inputs AS inputs
SEMI JOIN affected_enterprises AS affected ON affected.enterprise_id = inputs.enterprise_id
