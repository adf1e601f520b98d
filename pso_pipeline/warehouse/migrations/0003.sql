-- Version 3 remembers which orders each landing changed, so that deriving needs no look at all others of their hotel.
-- Empty at first: what changed before is told by the revision alone, and its hotel is made anew whole once.
CREATE TABLE mews.revised_orders (service_id VARCHAR, id VARCHAR, revision BIGINT);
