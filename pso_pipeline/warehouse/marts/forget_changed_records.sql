-- Removes from mews.changed_records what the facts have been computed from. Products have no facts: their names are compared
-- each time.
DELETE FROM mews.changed_records AS records
WHERE
    records.endpoint = 'products'
    OR EXISTS (
        SELECT 1
        FROM internal.computed_scopes AS computed
        WHERE
            computed.endpoint = records.endpoint
            AND computed.scope_id = records.scope_id
            AND computed.revision >= records.revision
    );
