-- recounted_days: one row for each hotel and day whose counts are made anew although its other days stand: an order that was
-- created on it matured, or an order changed that was created or canceled on it. Source: aged_orders, moved_facts.
CREATE OR REPLACE TEMP TABLE recounted_days AS
SELECT enterprise_id, created_date AS date, last_midnight_utc FROM aged_orders WHERE is_maturity_changed
UNION
SELECT enterprise_id, created_date, last_midnight_utc FROM moved_facts
UNION
SELECT enterprise_id, canceled_date, last_midnight_utc FROM moved_facts WHERE canceled_date IS NOT NULL;
