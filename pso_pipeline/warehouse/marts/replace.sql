-- Replaces in a table of the marts the rows that compare.sql found changed. A template, filled in by derive.py.
DELETE FROM {table}
WHERE rowid IN (SELECT stored_row FROM stored_{name} AS compared SEMI JOIN changed_{name} AS changed ON {is_same_key});

INSERT INTO {table} BY NAME
SELECT * FROM new_{name} AS compared SEMI JOIN changed_{name} AS changed ON {is_same_key};
