-- Lets the role lake_reader read a lake, and nothing else. Run it in the database of the lake's catalog, as the role
-- that writes the lake, after `pso migrate`; then give the role a password.
-- Reason for the default privileges: the lake makes tables of its own as it grows.
CREATE ROLE lake_reader LOGIN;
ALTER ROLE lake_reader SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA public TO lake_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO lake_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO lake_reader;
