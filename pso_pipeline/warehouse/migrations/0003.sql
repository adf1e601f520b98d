-- Version 3 remembers which orders each landing changed, so that deriving needs no look at all others of their hotel.
-- Empty at first: earlier changes are known by the revision alone, and their hotels are recomputed completely once.
CREATE TABLE mews.revised_orders (service_id VARCHAR, id VARCHAR, revision BIGINT);
