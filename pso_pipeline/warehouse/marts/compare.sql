-- stored_{name}, new_{name}, changed_{name}: the rows of a table that are stored and in the scope of a batch, with their places as
-- stored_row; the rows that it has to have in that scope; and the keys of those that are added, changed or removed.
-- A template, filled in by derive.py for each table of the marts. Source: the table, and the SELECT in the file of its name.
-- Reason: a row that stays as it is is not written again, and what is published of it stays too.
CREATE OR REPLACE TEMP TABLE stored_{name} AS
SELECT stored.rowid AS stored_row, {columns} FROM {table} AS stored {is_in_scope};

CREATE OR REPLACE TEMP TABLE new_{name} AS
SELECT {typed_columns} FROM ({select}
) AS computed;

CREATE OR REPLACE TEMP TABLE changed_{name} AS
SELECT DISTINCT {keys}
FROM (
    (SELECT {columns} FROM stored_{name} EXCEPT ALL SELECT {columns} FROM new_{name})
    UNION ALL
    (SELECT {columns} FROM new_{name} EXCEPT ALL SELECT {columns} FROM stored_{name})
) AS different;
