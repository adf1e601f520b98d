-- kept_changes: one row for each stored change of state of remade_orders that would be made anew as it stands.
-- Source: mart.fct_order_state_changes, changed_states, first_sights.
-- Reason: an order that changes adds to what was observed of it. DuckDB holds 16 kB in memory for each 2,048 stored rows
-- of which any was deleted: 46 MB for the changes of 5 million orders.
CREATE OR REPLACE TEMP TABLE kept_changes AS
SELECT stored.*
FROM mart.fct_order_state_changes AS stored
SEMI JOIN remade_orders AS remade ON remade.order_id = stored.order_id AND remade.enterprise_id = stored.enterprise_id
INTERSECT
SELECT made.*
FROM (FROM changed_states UNION ALL FROM first_sights) AS made
SEMI JOIN remade_orders AS remade ON remade.order_id = made.order_id AND remade.enterprise_id = made.enterprise_id;
