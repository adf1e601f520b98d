-- placements: where on the page the orders of each hotel are counted. Source: hotels.
-- Reason: hotels whose orders the page does not divide by origin and segment are divided together, at position -1, so that
-- a group's origins and segments are known. Only one of the two positions is ever added up.
CREATE OR REPLACE TEMP TABLE placements AS
SELECT enterprise_id, position, is_detailed FROM hotels
UNION ALL
SELECT enterprise_id, -1 AS position, TRUE AS is_detailed FROM hotels WHERE is_counted AND NOT is_detailed
