-- One row: how many of the services that are listed now had been retired.
SELECT count(*) FROM mews.services SEMI JOIN found ON found.id = services.id WHERE services.retired_utc IS NOT NULL;
