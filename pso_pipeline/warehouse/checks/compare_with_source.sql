-- One row: the orders of the hotel $enterprise_id that changed from $start_utc to $end_utc. Source: mews.product_service_orders
-- and found, which has id and updated_utc of the orders that the API returned for the same interval.
--   missing          the source has this version; the warehouse has neither it nor a newer one
--   changed_or_gone  the warehouse has it; the source did not return it: it changed after the end, or is gone
WITH held AS (
    SELECT id, updated_utc
    FROM mews.product_service_orders
    WHERE enterprise_id = $enterprise_id AND is_missing_from_source IS DISTINCT FROM TRUE
)

SELECT
    (SELECT count(*) FROM found) AS at_source,
    (SELECT count(*) FROM held WHERE updated_utc BETWEEN $start_utc AND $end_utc) AS in_warehouse,
    (SELECT count(*) FROM found ANTI JOIN held ON held.id = found.id AND held.updated_utc >= found.updated_utc) AS missing,
    (
        SELECT count(*)
        FROM held
        ANTI JOIN found ON found.id = held.id
        WHERE held.updated_utc BETWEEN $start_utc AND $end_utc
    ) AS changed_or_gone;
