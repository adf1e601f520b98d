-- mews.changed_records: one row for each record that a landing added or changed, with the revision that its scope then got.
-- Source: the landings; only scopes that have been read to their end. Reason: the marts recompute the facts of these records
-- and not those of the whole hotel. A revision without a row here (orders marked missing, a first read) affects the whole hotel.
-- Rows are removed when the marts have used them.
CREATE TABLE IF NOT EXISTS mews.changed_records (endpoint VARCHAR, scope_id VARCHAR, id VARCHAR, revision BIGINT);
