-- internal.derived_enterprises: one row for each enterprise whose figures stand in the marts. Source: enterprise_inputs.
DELETE FROM marts.internal.derived_enterprises
WHERE enterprise_id IN (SELECT enterprise_id FROM batch_enterprises);

INSERT INTO marts.internal.derived_enterprises BY NAME
SELECT inputs.enterprise_id, inputs.input_digest, inputs.requires_all_companions, inputs.last_midnight_utc
FROM enterprise_inputs AS inputs
INNER JOIN batch_enterprises AS batch ON batch.enterprise_id = inputs.enterprise_id;
