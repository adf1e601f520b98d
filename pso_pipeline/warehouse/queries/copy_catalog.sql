-- Runs in PostgreSQL: copies every table of a lake's catalog, with keys, into the schema {{copy}} of the same database.
-- Reason: DuckLake keeps the data files of older snapshots, so the catalog is all that a copy needs.
DO $$
DECLARE
    name text;
BEGIN
    CREATE SCHEMA {{copy}};
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'ducklake\_%' LOOP
        EXECUTE format('CREATE TABLE {{copy}}.%I (LIKE public.%I INCLUDING ALL)', name, name);
        EXECUTE format('INSERT INTO {{copy}}.%I TABLE public.%I', name, name);
    END LOOP;
END
$$
