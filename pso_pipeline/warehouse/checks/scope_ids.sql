-- One row: hotels, and how many share their id or their partition key with another; services, and how many share their id.
SELECT
    (SELECT count(*) FROM mews.enterprises) AS enterprises,
    (SELECT count(*) - least(count(DISTINCT id), count(DISTINCT partition_key)) FROM mews.enterprises) AS repeated_enterprises,
    (SELECT count(*) FROM mews.services) AS services,
    (SELECT count(*) - count(DISTINCT id) FROM mews.services) AS repeated_services;
