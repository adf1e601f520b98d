-- mews.full_read_ids: the ids that an unfinished full resync has met so far, one row for each service and id at least.
-- Source: the pages of that read. Reason: what a full read did not meet is marked missing from the source when it ends,
-- and a read that was killed goes on without losing what it had met. Emptied for a service when its read ends.
CREATE TABLE IF NOT EXISTS mews.full_read_ids (service_id VARCHAR, id VARCHAR);
