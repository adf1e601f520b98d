-- mews.full_read_ids: the ids that an unfinished full resync has seen so far, one row for each endpoint, scope and id at least.
-- Source: the pages of that read. Reason: what a full read did not see is marked missing from the source when it ends,
-- and a read that was killed continues without losing what it had seen. Emptied for a scope when its read ends.
CREATE TABLE IF NOT EXISTS mews.full_read_ids (endpoint VARCHAR, scope_id VARCHAR, id VARCHAR);
