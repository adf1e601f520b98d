-- counted: for each hotel the orders among its facts, and by how many orders the figures differ between the landed
-- orders, the facts and the metrics made from them.
-- A hotel for which orders landed after its figures were computed is compared only with its facts.
CREATE OR REPLACE TEMP TABLE counted AS
WITH facts AS (
    SELECT
        orders.enterprise_id,
        count(*) AS orders_created,
        count_if(state_group = 'pending') AS pending_orders,
        count_if(state_group = 'confirmed') AS confirmed_orders,
        count_if(state_group = 'checked_in') AS checked_in_orders,
        count_if(state_group = 'canceled') AS canceled_orders,
        count_if(is_firm) AS firm_orders,
        count_if(is_checked_in OR is_canceled) AS resolved_orders,
        count_if(canceled_date IS NOT NULL) AS cancellations,
        count_if(is_firm AND created_at <= computed.last_midnight_utc) AS orders_on_the_curve
    FROM mart.fct_product_service_orders AS orders
    INNER JOIN internal.computed_enterprises AS computed ON computed.enterprise_id = orders.enterprise_id
    WHERE orders.enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
    GROUP BY orders.enterprise_id
),

curve AS (
    SELECT enterprise_id, sum(orders_at_risk) AS orders
    FROM internal.cancellation_curve_runs
    WHERE first_day = 0 AND enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
    GROUP BY enterprise_id
),

metrics AS (
    SELECT
        daily.enterprise_id,
        sum(orders_created)::BIGINT AS orders_created,
        sum(pending_orders)::BIGINT AS pending_orders,
        sum(confirmed_orders)::BIGINT AS confirmed_orders,
        sum(checked_in_orders)::BIGINT AS checked_in_orders,
        sum(canceled_orders)::BIGINT AS canceled_orders,
        sum(firm_orders)::BIGINT AS firm_orders,
        sum(resolved_orders)::BIGINT AS resolved_orders,
        sum(cancellations)::BIGINT AS cancellations,
        coalesce(any_value(curve.orders), 0)::BIGINT AS orders_on_the_curve
    FROM mart.agg_orders_daily AS daily
    LEFT JOIN curve ON curve.enterprise_id = daily.enterprise_id
    WHERE daily.enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
    GROUP BY daily.enterprise_id
),

sold AS (
    SELECT enterprise_id, service_id, count(*) AS orders
    FROM mews.product_service_orders
    WHERE
        is_missing_from_source IS DISTINCT FROM TRUE
        AND enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
    GROUP BY enterprise_id, service_id
),

landed AS (
    SELECT sold.enterprise_id, sum(sold.orders)::BIGINT AS landed_orders
    FROM sold
    INNER JOIN mews.sync_state AS progress
        ON progress.endpoint = 'product_service_orders' AND progress.scope_id = sold.service_id AND progress.enterprise_id = sold.enterprise_id
    INNER JOIN enterprise_inputs AS inputs ON inputs.enterprise_id = sold.enterprise_id
    INNER JOIN internal.computed_enterprises AS computed
        ON computed.enterprise_id = sold.enterprise_id AND computed.input_digest = inputs.input_digest
    WHERE progress.watermark_utc IS NOT NULL
    GROUP BY sold.enterprise_id
),

compared AS (
    SELECT * FROM (UNPIVOT facts ON COLUMNS(* EXCLUDE (enterprise_id)) INTO NAME figure VALUE orders) AS sides
    UNION ALL
    SELECT enterprise_id, figure, -orders
    FROM (UNPIVOT metrics ON COLUMNS(* EXCLUDE (enterprise_id)) INTO NAME figure VALUE orders) AS sides
    UNION ALL
    SELECT landed.enterprise_id, 'landed_orders', landed.landed_orders - coalesce(facts.orders_created, 0)
    FROM landed
    LEFT JOIN facts ON facts.enterprise_id = landed.enterprise_id
),

differences AS (
    SELECT enterprise_id, figure, abs(sum(orders)) AS difference
    FROM compared
    GROUP BY enterprise_id, figure
    HAVING difference > 0
),

named AS (
    SELECT
        enterprise_id,
        max(difference) AS violations,
        string_agg(figure || ' off by ' || difference::BIGINT, ', ' ORDER BY figure) AS detail
    FROM differences
    GROUP BY enterprise_id
)

SELECT
    coalesce(facts.enterprise_id, named.enterprise_id) AS enterprise_id,
    coalesce(facts.orders_created, 0) AS checked,
    coalesce(named.violations, 0) AS violations,
    named.detail
FROM facts
FULL JOIN named ON named.enterprise_id = facts.enterprise_id;
