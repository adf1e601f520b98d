-- mart.agg_consumption_ahead: one row for each hotel, service, product and each of the 30 local days after that of items_as_of_utc
-- for which anything is booked; computed for the hotels of affected_item_days. Source: counted_items.
-- Reason for history by the days ahead, not by the age: what is booked for tomorrow is rarely canceled any more, however old.
-- A sale that was canceled at an unknown time is in no history.
--   days_booked    how many days before its consumption a sale was created, 30 at most
--   days_canceled  how many days before its consumption it was canceled; less than 0 where that was later, or never
WITH booked AS (
    SELECT
        enterprise_id,
        service_id,
        product_id,
        consumed_date AS date,
        consumed_date - items_date AS days_ahead,
        TRY_CAST(sum(quantity) AS BIGINT) AS quantity
    FROM counted_items
    WHERE item_kind = 'sale' AND is_counted AND consumed_date BETWEEN items_date + 1 AND items_date + 30
    GROUP BY ALL
),

history AS (
    SELECT
        enterprise_id,
        service_id,
        least(consumed_date - created_date, 30) AS days_booked,
        CASE WHEN is_canceled THEN greatest(consumed_date - canceled_date, -1) ELSE -1 END AS days_canceled,
        count(*) AS items
    FROM counted_items
    WHERE
        item_kind = 'sale'
        AND (is_counted OR canceled_date IS NOT NULL)
        AND consumed_date BETWEEN items_date - 365 AND items_date - 1
        AND consumed_date > created_date
    GROUP BY ALL
),

of_services AS (
    SELECT
        asked.enterprise_id,
        asked.service_id,
        asked.days_ahead,
        sum(history.items) AS items,
        coalesce(sum(history.items) FILTER (WHERE history.days_canceled >= 0), 0) AS canceled
    FROM (SELECT DISTINCT enterprise_id, service_id, days_ahead FROM booked) AS asked
    INNER JOIN history
        ON
            history.enterprise_id = asked.enterprise_id
            AND history.service_id IS NOT DISTINCT FROM asked.service_id
            AND history.days_booked >= asked.days_ahead
            AND history.days_canceled < asked.days_ahead
    GROUP BY asked.enterprise_id, asked.service_id, asked.days_ahead
    HAVING sum(history.items) >= 30
),

of_hotels AS (
    SELECT
        asked.enterprise_id,
        asked.days_ahead,
        sum(history.items) AS items,
        coalesce(sum(history.items) FILTER (WHERE history.days_canceled >= 0), 0) AS canceled
    FROM (SELECT DISTINCT enterprise_id, days_ahead FROM booked) AS asked
    INNER JOIN (
        SELECT enterprise_id, days_booked, days_canceled, sum(items) AS items FROM history GROUP BY ALL
    ) AS history
        ON
            history.enterprise_id = asked.enterprise_id
            AND history.days_booked >= asked.days_ahead
            AND history.days_canceled < asked.days_ahead
    GROUP BY asked.enterprise_id, asked.days_ahead
    HAVING sum(history.items) >= 30
),

known AS (
    SELECT
        booked.*,
        CASE WHEN of_services.items IS NOT NULL THEN 'service' WHEN of_hotels.items IS NOT NULL THEN 'hotel' END AS history,
        coalesce(of_services.items, of_hotels.items) AS history_items,
        coalesce(of_services.canceled, of_hotels.canceled) AS history_canceled_items
    FROM booked
    LEFT JOIN of_services
        ON
            of_services.enterprise_id = booked.enterprise_id
            AND of_services.service_id IS NOT DISTINCT FROM booked.service_id
            AND of_services.days_ahead = booked.days_ahead
    LEFT JOIN of_hotels
        ON of_hotels.enterprise_id = booked.enterprise_id AND of_hotels.days_ahead = booked.days_ahead
)

SELECT
    enterprise_id,
    service_id,
    product_id,
    date,
    days_ahead,
    quantity AS booked_quantity,
    CAST(quantity AS DOUBLE) * CAST(history_items - history_canceled_items AS DOUBLE) / CAST(history_items AS DOUBLE)
        AS expected_quantity,
    history,
    history_items,
    history_canceled_items
FROM known
