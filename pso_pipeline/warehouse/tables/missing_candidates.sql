-- mews.missing_candidates: one row for each order that the last full read of its service did not find.
-- Source: full resyncs, each of which replaces the rows of its services. Reason: an order is marked missing from the source
-- only when two full reads in a row do not find it.
CREATE TABLE IF NOT EXISTS mews.missing_candidates (service_id VARCHAR, id VARCHAR);
