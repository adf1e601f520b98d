-- One row for each service: how many orders of a landing of new orders alone are its.
SELECT service_id, max(enterprise_id), count(*) AS created, 0 AS changed, count(*) AS noted, false AS is_tied
FROM frame
GROUP BY service_id;
