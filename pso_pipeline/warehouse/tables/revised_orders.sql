-- mews.revised_orders: one row for each order that a landing added or changed, with the revision that its service then got.
-- Source: the landings themselves; only services that have been read to their end. Reason: deriving makes the facts of these
-- orders anew, not those of the whole hotel. Where a revision has no row here (orders marked missing, a first read), it is
-- the whole hotel. Emptied of what has been derived.
CREATE TABLE IF NOT EXISTS mews.revised_orders (service_id VARCHAR, id VARCHAR, revision BIGINT);
