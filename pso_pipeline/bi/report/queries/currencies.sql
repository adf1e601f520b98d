-- currencies: one row for each currency of an item, with its position on the page. Amounts of two of them are never added up.
CREATE OR REPLACE TEMP TABLE currencies AS
SELECT currency AS code, row_number() OVER (ORDER BY currency) - 1 AS position
FROM (SELECT DISTINCT currency FROM mart.agg_item_revenue_daily WHERE currency IS NOT NULL)
