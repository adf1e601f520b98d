-- mart.agg_orders_daily: one row for each hotel, service, origin, account type and local day on which anything counts; computed
-- for affected_days. Source: counted_facts: each order on its day of creation, each cancellation on its own day too.
-- Reason: additive counts, from which metrics.yml makes every rate; a missing origin or account type stays null.
WITH events AS (
    SELECT facts.*, days.date, days.last_midnight_utc, TRUE AS is_creation
    FROM counted_facts AS facts
    INNER JOIN affected_days AS days
        ON days.enterprise_id = facts.enterprise_id AND days.date = facts.created_date
    UNION ALL
    SELECT facts.*, days.date, days.last_midnight_utc, FALSE AS is_creation
    FROM counted_facts AS facts
    INNER JOIN affected_days AS days
        ON days.enterprise_id = facts.enterprise_id AND days.date = facts.canceled_date
),

matured AS (
    SELECT
        *,
        is_creation AND is_firm AND created_at <= last_midnight_utc - INTERVAL 7 DAY AS is_mature_7d,
        is_creation AND is_firm AND created_at <= last_midnight_utc - INTERVAL 30 DAY AS is_mature_30d,
        is_creation AND is_firm AND created_at <= last_midnight_utc - INTERVAL 90 DAY AS is_mature_90d,
        canceled_at <= created_at + INTERVAL 7 DAY AS is_canceled_within_7d,
        canceled_at <= created_at + INTERVAL 30 DAY AS is_canceled_within_30d,
        canceled_at <= created_at + INTERVAL 90 DAY AS is_canceled_within_90d
    FROM events
)

SELECT
    enterprise_id,
    service_id,
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
    count(*) FILTER (WHERE is_creation AND is_unresolved) AS unresolved_orders,
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
    count(*) FILTER (WHERE is_creation AND is_canceled_while_pending) AS canceled_while_pending_orders,
    count(*) FILTER (WHERE is_creation AND NOT has_items) AS orders_without_items
FROM matured
GROUP BY enterprise_id, service_id, origin, account_type, date
