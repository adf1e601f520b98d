-- counted_facts: one row for each order that counts on an affected day or in an affected cohort, with the columns that anything
-- is counted by. Source: the new facts of the affected orders; of the others mart.fct_product_service_orders.
-- Reason: both tables of counts are computed from one reading of the facts.
CREATE OR REPLACE TEMP TABLE counted_facts AS
WITH enterprises AS (
    SELECT enterprise_id
    FROM affected_enterprises
    WHERE (are_some_orders_affected OR is_maturity_rollover) AND NOT are_all_orders_affected
),

days AS (
    SELECT affected.enterprise_id, affected.date
    FROM affected_days AS affected
    SEMI JOIN enterprises ON enterprises.enterprise_id = affected.enterprise_id
),

cohorts AS (
    SELECT affected.enterprise_id, affected.service_id, affected.cohort_month
    FROM affected_cohorts AS affected
    SEMI JOIN enterprises ON enterprises.enterprise_id = affected.enterprise_id
),

counted AS (
    SELECT facts.rowid AS fact_row
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN days ON days.enterprise_id = facts.enterprise_id AND days.date = facts.created_date
    UNION
    SELECT facts.rowid
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN days ON days.enterprise_id = facts.enterprise_id AND days.date = facts.canceled_date
    UNION
    SELECT facts.rowid
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN cohorts
        ON
            cohorts.service_id = facts.service_id
            AND cohorts.enterprise_id = facts.enterprise_id
            AND cohorts.cohort_month = date_trunc('month', facts.created_date)
),

unaffected AS (
    SELECT facts.*
    FROM mart.fct_product_service_orders AS facts
    SEMI JOIN counted ON counted.fact_row = facts.rowid
),

facts AS (
    SELECT unaffected.*
    FROM unaffected
    ANTI JOIN affected_orders AS affected
        ON affected.order_id = unaffected.order_id AND affected.enterprise_id = unaffected.enterprise_id
    UNION ALL BY NAME
    SELECT * FROM new_fct_product_service_orders
)

SELECT
    enterprise_id,
    service_id,
    origin,
    account_type,
    state,
    state_group,
    created_at,
    canceled_at,
    created_date,
    canceled_date,
    is_firm,
    is_checked_in,
    is_canceled,
    is_unresolved,
    is_online_checked_in,
    owner_checked_in,
    any_companion_checked_in,
    all_companions_checked_in,
    connector_check_in,
    has_voucher,
    is_linked,
    canceled_after_check_in,
    is_quick_cancel,
    is_rebooked,
    is_canceled_never_seen_confirmed,
    is_canceled_while_pending,
    has_items
FROM facts;
