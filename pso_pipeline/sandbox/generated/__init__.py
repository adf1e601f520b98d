"""Worlds made from a seed: hotels, the services they sell, and orders whose lives go on as time passes.

`hotels` and `offers` say who sells what, `traits` turns that into arrays, `demand` draws the orders of a month and
`lives` what becomes of them, in the form that `orders` describes; `ledger` holds and searches them, `rendering` writes
them as JSON, `records` does so for hotels and services, `identifiers` turns numbers into ids and back, and `world` puts
all together.
Nothing here knows HTTP.
"""
