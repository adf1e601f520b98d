-- order_states: one row for each state that the API documents, with the sets that it belongs to. Source: the enumerations
-- of the contract. A state without a row is unknown and counts in none of them.
CREATE OR REPLACE TEMP TABLE order_states (
    state VARCHAR,
    state_group VARCHAR,
    is_firm BOOLEAN,
    is_checked_in BOOLEAN,
    is_canceled BOOLEAN,
    is_open BOOLEAN
);
