"""The client of the Mews Connector API: tokens, typed requests and records, rate limit, retries, pages.

Add here what any program that reads this API would need. DuckDB, pandas, Dagster, and which requests to send, stay out.

The modules in one direction, each using only those before it: `clock`, `tokens`, `errors`; `records`, `requests`;
`transport`, `responses`; `retry`, `circuit`, `limiter`; `client`; `pagination`; `discovery`.
"""
