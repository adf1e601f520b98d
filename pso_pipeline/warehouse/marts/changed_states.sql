-- changed_states: one row for each observed change of state of the batch's orders that have had more than one version,
-- with the columns of mart.fct_order_state_changes. Source: state_changes, utc_offsets.
CREATE OR REPLACE TEMP VIEW changed_states AS
SELECT
    changes.order_id,
    changes.enterprise_id,
    changes.service_id,
    changes.from_state,
    changes.to_state,
    changes.changed_at,
    local_date(changes.changed_at, offsets.time_zone, offsets.utc_offset) AS changed_date,
    changes.observed_at
FROM state_changes AS changes
LEFT JOIN utc_offsets AS offsets
    ON offsets.zone = changes.zone AND offsets.utc_date = CAST(changes.changed_at AS DATE);
