-- One row for each text of each table of the warehouse: the table with its schema, the column.
SELECT columns.table_schema || '.' || columns.table_name AS name, columns.column_name
FROM information_schema.columns AS columns
INNER JOIN information_schema.tables AS tables
    ON tables.table_catalog = columns.table_catalog
    AND tables.table_schema = columns.table_schema
    AND tables.table_name = columns.table_name
WHERE
    columns.table_catalog = 'warehouse'
    AND columns.table_schema = 'mews'
    AND tables.table_type = 'BASE TABLE'
    AND columns.data_type IN ('VARCHAR', 'JSON')
ORDER BY ALL;
