-- Puts the copy of a lake's catalog back that `pso migrate` made before it migrated the tables (docs/upgrades.md):
-- `psql --set copy=version_4_20261130t120000z --file put_back_catalog.sql`, in the database of the catalog, as the role
-- that writes the lake, while nothing runs. Readers need lake_reader.sql again.
\set ON_ERROR_STOP on
BEGIN;
SELECT format('DROP TABLE public.%I', tablename) FROM pg_tables
WHERE schemaname = 'public' AND tablename LIKE 'ducklake\_%' AND EXISTS (SELECT FROM pg_namespace WHERE nspname = :'copy')
\gexec
SELECT format('ALTER TABLE %I.%I SET SCHEMA public', schemaname, tablename) FROM pg_tables WHERE schemaname = :'copy'
\gexec
DROP SCHEMA :"copy";
COMMIT;
