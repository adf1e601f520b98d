-- mart.ops_refreshes: one row for each refresh of the last 35 days. Source: mews.refreshes.
-- Reason for 35 days: the table is published as a whole with each refresh.
SELECT * EXCLUDE (started_utc, ended_utc), started_utc AS started_at, ended_utc AS ended_at
FROM mews.refreshes
WHERE started_utc >= (SELECT max(started_utc) FROM mews.refreshes) - INTERVAL 35 DAY
