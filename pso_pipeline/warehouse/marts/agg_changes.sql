-- mart.agg_changes: one row for each hotel, level, service, origin, window and comparison with any order or cancellation in
-- either period. Source: mart.agg_orders_daily, mart.dim_enterprises, mart.dim_services; what canceled orders were worth is from
-- mart.fct_product_service_orders and mart.fct_order_items.
-- Reason: docs/metrics.md, "What changed". The rates of the compared period, by service and origin, say how many
-- cancellations to expect of the orders of now; so a change of the mix is separated from one of a rate. A count of what is
-- usual varies as a Poisson count does, times the spread of the weeks before, and the square root of one is nearly normal.
-- Sums of DOUBLE are rounded, because their last digits depend on the order of the rows.
CREATE OR REPLACE VIEW mart.agg_changes AS
WITH origin_names AS (
    SELECT unnest({{origins}}) AS origin, unnest({{origin_names}}) AS origin_name
),

hotels AS (
    SELECT
        enterprises.enterprise_id,
        enterprises.enterprise_name,
        enterprises.as_of_date,
        datediff('day', known.first_date, enterprises.as_of_date) + 1 AS days_known
    FROM mart.dim_enterprises AS enterprises
    INNER JOIN (
        SELECT enterprise_id, min(date) AS first_date FROM mart.agg_orders_daily GROUP BY enterprise_id
    ) AS known ON known.enterprise_id = enterprises.enterprise_id
    WHERE enterprises.as_of_date IS NOT NULL
),

-- days_ago is 0 on the last complete day; of last year's period the days are 364 more, which keeps the weekdays
days AS (
    SELECT
        counts.enterprise_id,
        counts.service_id,
        counts.origin,
        datediff('day', counts.date, hotels.as_of_date) AS days_ago,
        sum(counts.orders_created) AS orders,
        sum(counts.cancellations) AS cancellations,
        sum(counts.mature_firm_orders_7d) AS mature_orders,
        sum(counts.canceled_within_7d) AS canceled_within_7d,
        sum(counts.unresolved_orders) AS unresolved_orders
    FROM mart.agg_orders_daily AS counts
    INNER JOIN hotels ON hotels.enterprise_id = counts.enterprise_id
    WHERE datediff('day', counts.date, hotels.as_of_date) BETWEEN 0 AND 451
    GROUP BY ALL
),

-- what is usual is known from the 12 weeks before the window, or from those of them that are known, at least 4
comparisons AS (
    SELECT hotels.enterprise_id, windows.window_days, 'before' AS comparison, window_days AS first_day, window_days AS days
    FROM hotels
    CROSS JOIN (VALUES (7), (28)) AS windows (window_days)
    UNION ALL
    SELECT hotels.enterprise_id, windows.window_days, 'last_year', 364, window_days
    FROM hotels
    CROSS JOIN (VALUES (7), (28)) AS windows (window_days)
    UNION ALL
    SELECT
        hotels.enterprise_id,
        windows.window_days,
        'usual',
        window_days,
        7 * greatest(4, least(12, (hotels.days_known - windows.window_days) // 7))
    FROM hotels
    CROSS JOIN (VALUES (7), (28)) AS windows (window_days)
),

periods AS (
    SELECT
        comparisons.*,
        first_day + days - 1 AS last_day,
        window_days / days AS scale,
        hotels.as_of_date
    FROM comparisons
    INNER JOIN hotels ON hotels.enterprise_id = comparisons.enterprise_id
    WHERE first_day + days <= hotels.days_known
),

cells AS (
    SELECT
        periods.*,
        days.service_id,
        days.origin,
        coalesce(sum(orders) FILTER (WHERE days_ago < window_days), 0) AS orders,
        coalesce(sum(orders) FILTER (WHERE days_ago BETWEEN first_day AND last_day), 0) AS orders_then,
        coalesce(sum(cancellations) FILTER (WHERE days_ago < window_days), 0) AS cancellations,
        coalesce(sum(cancellations) FILTER (WHERE days_ago BETWEEN first_day AND last_day), 0) AS cancellations_then,
        coalesce(sum(mature_orders) FILTER (WHERE days_ago - 7 BETWEEN 0 AND window_days - 1), 0) AS mature_orders,
        coalesce(sum(mature_orders) FILTER (WHERE days_ago - 7 BETWEEN first_day AND last_day), 0)
            AS mature_orders_then,
        coalesce(sum(canceled_within_7d) FILTER (WHERE days_ago - 7 BETWEEN 0 AND window_days - 1), 0)
            AS canceled_within_7d,
        coalesce(sum(canceled_within_7d) FILTER (WHERE days_ago - 7 BETWEEN first_day AND last_day), 0)
            AS canceled_within_7d_then,
        coalesce(sum(unresolved_orders) FILTER (WHERE days_ago - 60 BETWEEN 0 AND window_days - 1), 0)
            AS unresolved_orders,
        coalesce(sum(unresolved_orders) FILTER (WHERE days_ago - 60 BETWEEN first_day AND last_day), 0)
            AS unresolved_orders_then
    FROM days
    INNER JOIN periods ON periods.enterprise_id = days.enterprise_id
    GROUP BY ALL
),

hotel_rated AS (
    SELECT *, sum(cancellations_then) OVER hotel / nullif(sum(orders_then) OVER hotel, 0) AS hotel_rate
    FROM cells
    WINDOW hotel AS (PARTITION BY enterprise_id, window_days, comparison)
),

rated AS (
    SELECT *, coalesce(cancellations_then / nullif(orders_then, 0), hotel_rate) AS cell_rate FROM hotel_rated
),

levels AS (
    SELECT
        enterprise_id,
        CASE
            WHEN grouping(service_id) = 0 AND grouping(origin) = 0 THEN 'service_origin'
            WHEN grouping(service_id) = 0 THEN 'service'
            WHEN grouping(origin) = 0 THEN 'origin'
            ELSE 'hotel'
        END AS level,
        service_id,
        origin,
        window_days,
        comparison,
        any_value(as_of_date) AS as_of_date,
        any_value(first_day) AS first_day,
        any_value(last_day) AS last_day,
        any_value(scale) AS scale,
        sum(orders) AS orders,
        sum(orders_then) AS orders_then,
        sum(cancellations) AS cancellations,
        sum(cancellations_then) AS cancellations_then,
        sum(mature_orders) AS mature_orders,
        sum(mature_orders_then) AS mature_orders_then,
        sum(canceled_within_7d) AS canceled_within_7d,
        sum(canceled_within_7d_then) AS canceled_within_7d_then,
        sum(unresolved_orders) AS unresolved_orders,
        sum(unresolved_orders_then) AS unresolved_orders_then,
        round(sum(orders * cell_rate), 6) AS expected_of_mix,
        round(sum(orders * (cell_rate - hotel_rate) * (cell_rate - hotel_rate)), 6) AS mix_variance
    FROM rated
    GROUP BY GROUPING SETS (
        (enterprise_id, window_days, comparison),
        (enterprise_id, window_days, comparison, service_id),
        (enterprise_id, window_days, comparison, origin),
        (enterprise_id, window_days, comparison, service_id, origin)
    )
    HAVING sum(orders) + sum(orders_then) + sum(cancellations) + sum(cancellations_then) > 0
),

-- what the orders that were canceled on a day were worth: all sales of them that are canceled too
canceled_values AS (
    SELECT
        orders.enterprise_id,
        orders.service_id,
        orders.origin,
        items.currency,
        datediff('day', orders.canceled_date, hotels.as_of_date) AS days_ago,
        sum(items.gross_value) AS gross_value
    FROM mart.fct_order_items AS items
    INNER JOIN mart.fct_product_service_orders AS orders
        ON orders.order_id = items.service_order_id AND orders.enterprise_id = items.enterprise_id
    INNER JOIN hotels ON hotels.enterprise_id = orders.enterprise_id
    WHERE
        items.item_kind = 'sale'
        AND items.is_canceled
        AND items.currency IS NOT NULL
        AND datediff('day', orders.canceled_date, hotels.as_of_date) BETWEEN 0 AND 451
    GROUP BY ALL
),

-- null where there are several currencies: nothing says how many of one are worth one of another
level_values AS (
    SELECT
        canceled_values.enterprise_id,
        CASE
            WHEN grouping(service_id) = 0 AND grouping(origin) = 0 THEN 'service_origin'
            WHEN grouping(service_id) = 0 THEN 'service'
            WHEN grouping(origin) = 0 THEN 'origin'
            ELSE 'hotel'
        END AS level,
        service_id,
        origin,
        window_days,
        comparison,
        any_value(currency) AS currency,
        coalesce(sum(gross_value) FILTER (WHERE days_ago < window_days), 0) AS canceled_value,
        coalesce(sum(gross_value) FILTER (WHERE days_ago BETWEEN first_day AND last_day), 0) AS canceled_value_then
    FROM canceled_values
    INNER JOIN periods ON periods.enterprise_id = canceled_values.enterprise_id
    WHERE days_ago < window_days OR days_ago BETWEEN first_day AND last_day
    GROUP BY GROUPING SETS (
        (canceled_values.enterprise_id, window_days, comparison),
        (canceled_values.enterprise_id, window_days, comparison, service_id),
        (canceled_values.enterprise_id, window_days, comparison, origin),
        (canceled_values.enterprise_id, window_days, comparison, service_id, origin)
    )
    HAVING count(DISTINCT currency) = 1
),

weeks AS (
    SELECT
        enterprise_id,
        CASE
            WHEN grouping(service_id) = 0 AND grouping(origin) = 0 THEN 'service_origin'
            WHEN grouping(service_id) = 0 THEN 'service'
            WHEN grouping(origin) = 0 THEN 'origin'
            ELSE 'hotel'
        END AS level,
        service_id,
        origin,
        days_ago // 7 AS week,
        sum(orders) AS orders,
        sum(cancellations) AS cancellations
    FROM days
    WHERE days_ago < 112
    GROUP BY GROUPING SETS (
        (enterprise_id, days_ago // 7),
        (enterprise_id, days_ago // 7, service_id),
        (enterprise_id, days_ago // 7, origin),
        (enterprise_id, days_ago // 7, service_id, origin)
    )
),

-- variance over mean of the weekly counts, of which a week without a row has 0
weekly AS (
    SELECT
        weeks.enterprise_id,
        weeks.level,
        weeks.service_id,
        weeks.origin,
        periods.window_days,
        periods.days / 7 AS known_weeks,
        sum(weeks.orders) AS orders,
        sum(weeks.orders * weeks.orders) AS orders_squared,
        sum(weeks.cancellations) AS cancellations,
        sum(weeks.cancellations * weeks.cancellations) AS cancellations_squared
    FROM weeks
    INNER JOIN periods
        ON
            periods.enterprise_id = weeks.enterprise_id
            AND periods.comparison = 'usual'
            AND weeks.week * 7 BETWEEN periods.first_day AND periods.last_day
    GROUP BY ALL
),

spreads AS (
    SELECT
        enterprise_id,
        level,
        window_days,
        greatest(
            1,
            round(
                avg((orders_squared / nullif(orders, 0) - orders / known_weeks) * known_weeks / (known_weeks - 1)), 6
            )
        ) AS orders_spread,
        greatest(
            1,
            round(
                avg(
                    (cancellations_squared / nullif(cancellations, 0) - cancellations / known_weeks)
                    * known_weeks
                    / (known_weeks - 1)
                ),
                6
            )
        ) AS cancellations_spread
    FROM weekly
    GROUP BY enterprise_id, level, window_days
),

expected AS (
    SELECT
        levels.*,
        spreads.orders_spread,
        spreads.cancellations_spread,
        orders_then * scale AS compared_orders,
        cancellations_then * scale AS compared_cancellations,
        orders * cancellations_then / nullif(orders_then, 0) AS expected_cancellations,
        sqrt(coalesce(spreads.cancellations_spread, 1) * (1 + orders / nullif(orders_then, 0))) AS uncertainty
    FROM levels
    LEFT JOIN spreads
        ON
            spreads.enterprise_id = levels.enterprise_id
            AND spreads.level = levels.level
            AND spreads.window_days = levels.window_days
),

-- the kinds of change that are looked for, and how many standard errors each is away from what is usual
scored AS (
    SELECT
        *,
        CASE
            WHEN greatest(orders, compared_orders) >= 10
                THEN 2 * (sqrt(orders + 0.375) - sqrt(compared_orders + 0.375)) / sqrt(orders_spread * (1 + scale))
        END AS orders_score,
        CASE
            WHEN greatest(cancellations, expected_of_mix) >= 10
                THEN 2 * (sqrt(cancellations + 0.375) - sqrt(expected_of_mix + 0.375)) / uncertainty
        END AS rate_score,
        CASE
            WHEN level = 'hotel' AND abs(expected_of_mix - expected_cancellations) >= 5
                THEN
                    (expected_of_mix - expected_cancellations)
                    / nullif(sqrt(mix_variance * (1 + orders / nullif(orders_then, 0)) * orders_spread), 0)
        END AS mix_score
    FROM expected
    WHERE comparison = 'usual' AND level <> 'service_origin'
),

tested AS (
    SELECT enterprise_id, level, service_id, origin, window_days, 'orders' AS kind, orders_score AS score FROM scored
    UNION ALL
    SELECT enterprise_id, level, service_id, origin, window_days, 'rate', rate_score FROM scored
    UNION ALL
    SELECT enterprise_id, level, service_id, origin, window_days, 'mix', mix_score FROM scored
),

-- at least that score comes by chance less often than once in 20 portfolios in which nothing changed: the tail of a normal
-- distribution, bounded from above, times the number of scores
judged AS (
    SELECT
        *,
        2 * exp(-(score * score) / 2) / (abs(score) * sqrt(2 * pi())) * count(*) OVER () < 0.05 AS is_beyond_chance
    FROM tested
    WHERE score <> 0
),

-- of all that is found in a hotel one row of each kind comes first; where the mix changed, so did the orders of its origins
found AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY enterprise_id, kind ORDER BY abs(score) DESC, window_days, level, service_id, origin
        ) = 1
        AND NOT (
            kind = 'orders'
            AND level = 'origin'
            AND bool_or(kind = 'mix' AND is_beyond_chance) OVER (PARTITION BY enterprise_id)
        ) AS is_first_of_hotel
    FROM judged
),

ranked AS (
    SELECT
        *,
        'usual' AS comparison,
        row_number() OVER (
            ORDER BY
                is_first_of_hotel DESC,
                is_beyond_chance DESC,
                abs(score) DESC,
                enterprise_id,
                window_days,
                level,
                service_id,
                origin
        ) AS rank
    FROM (
        FROM found
        QUALIFY row_number() OVER (
            PARTITION BY enterprise_id, level, service_id, origin, window_days
            ORDER BY is_first_of_hotel DESC, is_beyond_chance DESC, abs(score) DESC, kind
        ) = 1
    ) AS one_kind
),

-- the origin that changed the mix most
shifts AS (
    SELECT
        hotel.enterprise_id,
        hotel.window_days,
        arg_max(
            {
                'origin_name': coalesce(names.origin_name, origins.origin),
                'share': origins.orders / hotel.orders,
                'usual_share': origins.orders_then / hotel.orders_then,
                'is_canceled_more':
                    origins.cancellations_then / origins.orders_then > hotel.cancellations_then / hotel.orders_then
            },
            abs(
                (origins.orders / hotel.orders - origins.orders_then / hotel.orders_then)
                * (origins.cancellations_then / origins.orders_then - hotel.cancellations_then / hotel.orders_then)
            )
        ) AS shift
    FROM scored AS origins
    INNER JOIN scored AS hotel
        ON
            hotel.level = 'hotel'
            AND hotel.enterprise_id = origins.enterprise_id
            AND hotel.window_days = origins.window_days
    LEFT JOIN origin_names AS names ON names.origin = origins.origin
    WHERE origins.level = 'origin' AND origins.orders_then > 0
    GROUP BY hotel.enterprise_id, hotel.window_days
),

-- half the width of a 95 % interval on the scale of square roots, and what that makes of the expected cancellations
described AS (
    SELECT
        expected.*,
        0.98 * expected.uncertainty AS half_width,
        sqrt(expected.expected_of_mix + 0.375) AS root,
        ranked.kind,
        ranked.score,
        coalesce(ranked.is_beyond_chance, FALSE) AS is_beyond_chance,
        ranked.rank,
        shifts.shift,
        level_values.currency,
        level_values.canceled_value,
        level_values.canceled_value_then,
        left(coalesce(hotels.enterprise_name, expected.enterprise_id), 200) || ': ' AS hotel,
        CASE
            WHEN expected.level IN ('service', 'service_origin')
                THEN ' of ' || left(coalesce(services.service_name, expected.service_id), 200)
            ELSE ''
        END
        || CASE
            WHEN expected.level IN ('origin', 'service_origin') THEN ' through ' || coalesce(names.origin_name, expected.origin, 'an unknown origin')
            ELSE ''
        END AS part,
        ' in the last ' || expected.window_days || ' days' AS time_span,
        CASE WHEN ranked.is_beyond_chance THEN '' ELSE ' This may be chance.' END AS caution
    FROM expected
    INNER JOIN hotels ON hotels.enterprise_id = expected.enterprise_id
    LEFT JOIN ranked
        ON
            ranked.enterprise_id = expected.enterprise_id
            AND ranked.comparison = expected.comparison
            AND ranked.level = expected.level
            AND ranked.service_id IS NOT DISTINCT FROM expected.service_id
            AND ranked.origin IS NOT DISTINCT FROM expected.origin
            AND ranked.window_days = expected.window_days
    LEFT JOIN shifts ON shifts.enterprise_id = expected.enterprise_id AND shifts.window_days = expected.window_days
    LEFT JOIN level_values
        ON
            level_values.enterprise_id = expected.enterprise_id
            AND level_values.level = expected.level
            AND level_values.service_id IS NOT DISTINCT FROM expected.service_id
            AND level_values.origin IS NOT DISTINCT FROM expected.origin
            AND level_values.window_days = expected.window_days
            AND level_values.comparison = expected.comparison
    LEFT JOIN mart.dim_services AS services ON services.service_id = expected.service_id
    LEFT JOIN origin_names AS names ON names.origin = expected.origin
)

SELECT
    enterprise_id,
    level,
    service_id,
    origin,
    window_days,
    comparison,
    as_of_date - window_days + 1 AS from_date,
    as_of_date AS to_date,
    as_of_date - CAST(last_day AS INTEGER) AS compared_from_date,
    as_of_date - CAST(first_day AS INTEGER) AS compared_to_date,
    CAST(orders AS BIGINT) AS orders,
    compared_orders,
    CAST(cancellations AS BIGINT) AS cancellations,
    compared_cancellations,
    CAST(mature_orders AS BIGINT) AS mature_orders_7d,
    CAST(canceled_within_7d AS BIGINT) AS canceled_within_7d,
    CAST(mature_orders_then AS BIGINT) AS compared_mature_orders_7d,
    CAST(canceled_within_7d_then AS BIGINT) AS compared_canceled_within_7d,
    CAST(unresolved_orders AS BIGINT) AS unresolved_orders,
    unresolved_orders_then * scale AS compared_unresolved_orders,
    expected_of_mix AS expected_cancellations,
    cancellations - expected_of_mix AS excess_cancellations,
    cancellations + 0.375 - (root + half_width) * (root + half_width) AS excess_low,
    CASE
        WHEN half_width IS NOT NULL
            THEN cancellations + 0.375 - greatest(root - half_width, 0) * greatest(root - half_width, 0)
    END AS excess_high,
    expected_cancellations - compared_cancellations AS volume_effect,
    expected_of_mix - expected_cancellations AS mix_effect,
    cancellations - expected_of_mix AS rate_effect,
    kind,
    score,
    is_beyond_chance,
    rank,
    CASE kind
        WHEN 'orders'
            THEN
                hotel
                || CASE WHEN orders = 0 THEN 'no' ELSE orders::VARCHAR END
                || ' orders' || part || time_span || ', usually '
                || round(compared_orders)::BIGINT || '.' || caution
        WHEN 'rate'
            THEN
                hotel || cancellations || ' cancellations' || part || time_span || '; these '
                || orders || ' orders usually have ' || round(expected_of_mix)::BIGINT || '.' || caution
        WHEN 'mix'
            THEN
                hotel || round(abs(expected_of_mix - expected_cancellations))::BIGINT
                || CASE WHEN expected_of_mix > expected_cancellations THEN ' more' ELSE ' fewer' END
                || ' cancellations than usual' || time_span || ' because of where orders come from: '
                || round(100 * shift.share)::BIGINT || ' % through ' || coalesce(shift.origin_name, 'an unknown origin')
                || ', which cancels ' || CASE WHEN shift.is_canceled_more THEN 'more' ELSE 'less' END
                || ', usually ' || round(100 * shift.usual_share)::BIGINT || ' %.' || caution
    END AS sentence,
    TRY_CAST(canceled_value AS DECIMAL(18, 4)) AS canceled_value,
    TRY_CAST(canceled_value_then * scale AS DECIMAL(18, 4)) AS compared_canceled_value,
    currency
FROM described
