-- counted: for each hotel the items among its facts, and by how many the figures differ between the landed items, the facts and
-- the sums by day. Amounts are compared for each currency, and differ by one where they differ at all.
-- A hotel for which anything landed after its figures were computed is compared only with its facts.
CREATE OR REPLACE TEMP TABLE counted AS
WITH facts AS (
    SELECT enterprise_id, currency, count(*) AS items, sum(gross_value) AS gross_value, sum(net_value) AS net_value
    FROM mart.fct_order_items
    WHERE enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
    GROUP BY enterprise_id, currency
),

metrics AS (
    SELECT
        enterprise_id,
        currency,
        sum(items) AS items,
        sum(ordered_gross_value + rebated_gross_value + fee_gross_value + other_gross_value) AS gross_value,
        sum(ordered_net_value + rebated_net_value + fee_net_value + other_net_value) AS net_value,
        bool_and(
            ordered_gross_value = consumed_gross_value + booked_gross_value + canceled_gross_value
            AND ordered_net_value = consumed_net_value + booked_net_value + canceled_net_value
            AND ordered_quantity = consumed_quantity + booked_quantity + canceled_quantity
        ) AS do_parts_add_up
    FROM mart.agg_item_revenue_daily
    WHERE enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
    GROUP BY enterprise_id, currency
),

landed AS (
    SELECT items.enterprise_id, count(*) AS items
    FROM mews.order_items AS items
    INNER JOIN enterprise_inputs AS inputs ON inputs.enterprise_id = items.enterprise_id
    INNER JOIN internal.computed_enterprises AS computed
        ON computed.enterprise_id = items.enterprise_id AND computed.input_digest = inputs.input_digest
    WHERE
        inputs.items_as_of_utc IS NOT NULL
        AND items.is_missing_from_source IS DISTINCT FROM TRUE
        AND items.enterprise_id IN (SELECT enterprise_id FROM checked_enterprises)
    GROUP BY items.enterprise_id
),

in_facts AS (
    SELECT enterprise_id, sum(items) AS items FROM facts GROUP BY enterprise_id
),

differences AS (
    SELECT
        coalesce(facts.enterprise_id, metrics.enterprise_id) AS enterprise_id,
        abs(coalesce(facts.items, 0) - coalesce(metrics.items, 0)) AS items,
        facts.gross_value IS DISTINCT FROM metrics.gross_value
        OR facts.net_value IS DISTINCT FROM metrics.net_value
        OR metrics.do_parts_add_up IS DISTINCT FROM TRUE AS is_different,
        coalesce(facts.currency, metrics.currency, 'no currency') AS what
    FROM facts
    FULL JOIN metrics
        ON metrics.enterprise_id = facts.enterprise_id AND metrics.currency IS NOT DISTINCT FROM facts.currency
    UNION ALL
    SELECT landed.enterprise_id, abs(landed.items - coalesce(in_facts.items, 0)), FALSE, 'landed items'
    FROM landed
    LEFT JOIN in_facts ON in_facts.enterprise_id = landed.enterprise_id
),

named AS (
    SELECT
        enterprise_id,
        sum(greatest(items, is_different::INTEGER)) AS violations,
        string_agg(
            CASE WHEN items > 0 THEN what || ' off by ' || items::BIGINT || ' items' ELSE 'amounts of ' || what || ' differ' END,
            ', ' ORDER BY what
        ) AS detail
    FROM differences
    WHERE items > 0 OR is_different
    GROUP BY enterprise_id
)

SELECT
    coalesce(in_facts.enterprise_id, named.enterprise_id) AS enterprise_id,
    coalesce(in_facts.items, 0)::BIGINT AS checked,
    coalesce(named.violations, 0)::BIGINT AS violations,
    named.detail
FROM in_facts
FULL JOIN named ON named.enterprise_id = in_facts.enterprise_id;
