-- mart.agg_orders_daily: one row for each hotel, service, origin, account type and local day on which anything counts.
-- Source: counted_orders, and of earlier derivations mart.fct_product_service_orders: each order on its day of creation,
-- each cancellation on its own day too. Counted by the numbers of batch_services.
-- Reason: additive counts, from which metrics.yml makes every rate; a missing origin or account type stays null.
-- Made anew: everything of stale_enterprises, the days in recounted_days.
DELETE FROM mart.agg_orders_daily WHERE enterprise_id IN (SELECT enterprise_id FROM stale_enterprises);

DELETE FROM mart.agg_orders_daily AS stored
USING recounted_days AS recounted
WHERE stored.enterprise_id = recounted.enterprise_id AND stored.date = recounted.date;

INSERT INTO mart.agg_orders_daily BY NAME
WITH creations AS (
    SELECT *, created_date AS date, TRUE AS is_creation FROM counted_orders
    UNION ALL BY NAME
    SELECT facts.*, services.service, recounted.last_midnight_utc, facts.created_date AS date, TRUE AS is_creation
    FROM mart.fct_product_service_orders AS facts
    INNER JOIN batch_services AS services
        ON services.service_id = facts.service_id AND services.enterprise_id = facts.enterprise_id
    INNER JOIN recounted_days AS recounted ON recounted.enterprise_id = facts.enterprise_id AND recounted.date = facts.created_date
),

cancellations AS (
    SELECT *, canceled_date AS date, FALSE AS is_creation FROM counted_orders WHERE canceled_date IS NOT NULL
    UNION ALL BY NAME
    SELECT facts.*, services.service, recounted.last_midnight_utc, facts.canceled_date AS date, FALSE AS is_creation
    FROM mart.fct_product_service_orders AS facts
    INNER JOIN batch_services AS services
        ON services.service_id = facts.service_id AND services.enterprise_id = facts.enterprise_id
    INNER JOIN recounted_days AS recounted ON recounted.enterprise_id = facts.enterprise_id AND recounted.date = facts.canceled_date
),

events AS (
    SELECT
        *,
        is_creation AND is_firm AND created_at <= last_midnight_utc - INTERVAL 7 DAY AS is_mature_7d,
        is_creation AND is_firm AND created_at <= last_midnight_utc - INTERVAL 30 DAY AS is_mature_30d,
        is_creation AND is_firm AND created_at <= last_midnight_utc - INTERVAL 90 DAY AS is_mature_90d,
        is_creation AND is_unresolved_by(state_group, created_at, last_midnight_utc) AS is_unresolved_now,
        canceled_at <= created_at + INTERVAL 7 DAY AS is_canceled_within_7d,
        canceled_at <= created_at + INTERVAL 30 DAY AS is_canceled_within_30d,
        canceled_at <= created_at + INTERVAL 90 DAY AS is_canceled_within_90d
    FROM (SELECT * FROM creations UNION ALL BY NAME SELECT * FROM cancellations)
),

counts AS (
    SELECT
        service,
        origin,
        account_type,
        date,
        count(*) FILTER (WHERE is_creation) AS orders_created,
        count(*) FILTER (WHERE is_creation AND state_group = 'pending') AS pending_orders,
        count(*) FILTER (WHERE is_creation AND is_firm) AS firm_orders,
        count(*) FILTER (WHERE is_creation AND state_group = 'confirmed') AS confirmed_orders,
        count(*) FILTER (WHERE is_creation AND is_checked_in) AS checked_in_orders,
        count(*) FILTER (WHERE is_creation AND is_canceled) AS canceled_orders,
        count(*) FILTER (WHERE is_creation AND (is_checked_in OR is_canceled)) AS resolved_orders,
        count(*) FILTER (WHERE is_creation AND state = 'Started') AS in_progress_orders,
        count(*) FILTER (WHERE is_creation AND is_checked_in AND owner_checked_in) AS owner_checked_in_orders,
        count(*) FILTER (WHERE is_creation AND is_checked_in AND any_companion_checked_in)
            AS any_companion_checked_in_orders,
        count(*) FILTER (WHERE is_creation AND is_checked_in AND all_companions_checked_in)
            AS all_companions_checked_in_orders,
        count(*) FILTER (WHERE is_creation AND is_checked_in AND connector_check_in) AS connector_checked_in_orders,
        count(*) FILTER (WHERE is_creation AND is_firm AND NOT is_canceled AND is_online_checked_in)
            AS online_checked_in_orders,
        count(*) FILTER (WHERE is_unresolved_now) AS unresolved_orders,
        count(*) FILTER (WHERE is_creation AND canceled_after_check_in) AS canceled_after_check_in_orders,
        count(*) FILTER (WHERE is_creation AND is_quick_cancel) AS quick_cancels,
        count(*) FILTER (WHERE is_creation AND is_rebooked) AS rebooked_cancels,
        count(*) FILTER (WHERE is_creation AND is_firm AND has_voucher) AS voucher_orders,
        count(*) FILTER (WHERE is_creation AND is_firm AND is_linked) AS linked_orders,
        count(*) FILTER (WHERE is_mature_7d) AS mature_firm_orders_7d,
        count(*) FILTER (WHERE is_mature_7d AND is_canceled_within_7d) AS canceled_within_7d,
        count(*) FILTER (WHERE is_mature_30d) AS mature_firm_orders_30d,
        count(*) FILTER (WHERE is_mature_30d AND is_canceled_within_30d) AS canceled_within_30d,
        count(*) FILTER (WHERE is_mature_90d) AS mature_firm_orders_90d,
        count(*) FILTER (WHERE is_mature_90d AND is_canceled_within_90d) AS canceled_within_90d,
        count(*) FILTER (WHERE NOT is_creation) AS cancellations,
        count(*) FILTER (WHERE is_mature_30d AND is_canceled_within_30d AND NOT is_quick_cancel AND NOT is_rebooked)
            AS net_canceled_within_30d,
        count(*) FILTER (WHERE is_creation AND is_firm AND NOT is_canceled) AS firm_orders_not_canceled,
        count(*) FILTER (WHERE is_creation AND is_canceled_never_seen_confirmed) AS canceled_never_seen_confirmed_orders,
        count(*) FILTER (WHERE is_creation AND is_canceled_while_pending) AS canceled_while_pending_orders
    FROM events
    GROUP BY service, origin, account_type, date
)

SELECT services.enterprise_id, services.service_id, counts.* EXCLUDE (service)
FROM counts
INNER JOIN batch_services AS services ON services.service = counts.service;
