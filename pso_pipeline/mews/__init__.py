"""The client of the Mews Connector API: tokens, typed requests and records, politeness, patience, pages.

Add here what any program that reads this API would need. DuckDB, pandas, Dagster, and what to ask for next, stay out.

The modules in one direction, each using only those before it: `clock`, `tokens`, `errors`; `records`, `requests`;
`circuit`, `limiter`, `patience`; `client`; `pagination`; `discovery`.
"""
