"""The rate limit: no more requests of a token than allowed, from all processes together that share a store.

`turns` decides when a request may be sent. A store counts the requests of each token with pyrate-limiter's bucket, and
keeps the pause after a 429: `files` for the processes of one machine, `postgres` and `redis` for several machines.
`store` is what they have in common. Another store is another module here, and a value of `PSO_LIMITER`.

Whether a request is sent again is decided in `retry`.
"""
