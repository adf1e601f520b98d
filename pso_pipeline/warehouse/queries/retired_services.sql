-- One row for each retired service of an enterprise in scope. Source: mews.services, mews.enterprises.
SELECT services.id, enterprises.partition_key, services.name, services.retired_utc
FROM mews.services
INNER JOIN mews.enterprises ON enterprises.id = services.enterprise_id
WHERE services.retired_utc IS NOT NULL AND enterprises.is_in_scope
ORDER BY enterprises.partition_key, services.name, services.id;
