"""An embedded stand-in for the Mews Connector API: three operations, strict about the contract.

What belongs here: everything that answers requests without the real API, for `pso demo`, `pso sandbox`, tests and
benchmarks. `server` serves a world, `generated` makes hotels and orders from a seed, `scripted` holds what a test
wrote. What must stay out: any import from the rest of the package. The sandbox has its own reading of the contract, so
that a mistake in the client's reading cannot hide in the server.
"""
