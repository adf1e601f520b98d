-- repeated ids: one row for each table and hotel that an id or a partition key concerns which should exist once.
-- Columns: table_name (enterprises or services), enterprise_id, partition_key, reason. Source: mews.enterprises, mews.services.
WITH repeated AS (
    SELECT 'enterprises' AS table_name, id AS enterprise_id, 'the hotel is listed ' || count(*) || ' times' AS reason
    FROM mews.enterprises
    GROUP BY id
    HAVING count(*) > 1
    UNION ALL
    SELECT 'enterprises', enterprise_id, 'another hotel has its partition key ' || partition_key
    FROM (SELECT DISTINCT id AS enterprise_id, partition_key FROM mews.enterprises WHERE partition_key IS NOT NULL)
    QUALIFY count(*) OVER (PARTITION BY partition_key) > 1
    UNION ALL
    SELECT DISTINCT 'services', enterprise_id, 'its service ' || id || ' is listed ' || listed || ' times'
    FROM (SELECT id, enterprise_id, count(*) OVER (PARTITION BY id) AS listed FROM mews.services)
    WHERE listed > 1 AND enterprise_id IS NOT NULL
)

SELECT
    repeated.table_name,
    repeated.enterprise_id,
    coalesce((SELECT min(partition_key) FROM mews.enterprises WHERE id = repeated.enterprise_id), repeated.enterprise_id),
    repeated.reason
FROM repeated
ORDER BY ALL;
