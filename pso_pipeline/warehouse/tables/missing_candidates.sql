-- mews.missing_candidates: one row for each record that the last full read of its scope did not find.
-- Source: full resyncs, each of which replaces the rows of its scopes. Reason: a record is marked missing from the source
-- only when two full reads in a row do not find it.
CREATE TABLE IF NOT EXISTS mews.missing_candidates (endpoint VARCHAR, scope_id VARCHAR, id VARCHAR);
