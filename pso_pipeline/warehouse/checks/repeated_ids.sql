-- One row for each hotel that is listed more than once or shares its partition key with another, and for each hotel that
-- sells a service which is listed more than once: its id, and what was found. Source: mews.enterprises, mews.services.
SELECT id AS enterprise_id, 'the hotel is listed ' || count(*) || ' times' AS reason
FROM mews.enterprises
GROUP BY id
HAVING count(*) > 1
UNION ALL
SELECT enterprise_id, 'another hotel has its partition key ' || partition_key
FROM (SELECT DISTINCT id AS enterprise_id, partition_key FROM mews.enterprises WHERE partition_key IS NOT NULL)
QUALIFY count(*) OVER (PARTITION BY partition_key) > 1
UNION ALL
SELECT DISTINCT enterprise_id, 'its service ' || id || ' is listed ' || listed || ' times'
FROM (SELECT id, enterprise_id, count(*) OVER (PARTITION BY id) AS listed FROM mews.services)
WHERE listed > 1 AND enterprise_id IS NOT NULL
ORDER BY ALL;
