-- Gives up the unfinished full reads in mews.sync_state that began after $latest: they start from the top.
UPDATE mews.sync_state
SET full_read_started_utc = NULL, full_read_cursor = NULL, full_read_records = NULL, resync_started_utc = NULL
WHERE full_read_started_utc > $latest OR resync_started_utc > $latest;
