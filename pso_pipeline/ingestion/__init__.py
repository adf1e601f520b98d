"""Plan, fetch, frame, land: the only place where the API and the warehouse meet.

`plan` decides what to read and is a pure function; `fetch` reads it; `frame` makes DataFrames of records; `landing`
queues them for the one writer; `scope` finds enterprises and services; `sync` puts these together. Dagster stays out.
"""
