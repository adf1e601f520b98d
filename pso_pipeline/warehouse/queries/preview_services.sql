-- Ten services, for a preview. Source: mews.services, mews.enterprises.
SELECT enterprises.partition_key, services.name, services.kind, services.is_active, services.created_utc
FROM mews.services
INNER JOIN mews.enterprises ON enterprises.id = services.enterprise_id
ORDER BY enterprises.partition_key, services.name
LIMIT 10;
