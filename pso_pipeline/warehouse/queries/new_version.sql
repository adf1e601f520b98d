-- Gives the table $table of the marts a new version, by which a publication sees that it changed (marts/table_versions.sql).
UPDATE internal.table_versions
SET version = greatest((SELECT max(version) FROM internal.table_versions) + 1, epoch_us(now()))
WHERE table_name = $table AND created_month IS NULL;
