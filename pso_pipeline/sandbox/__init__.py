"""A server that behaves like the Mews Connector API, with made-up hotels and orders: three operations.

What answers requests without the real API for `pso demo` and `pso sandbox` belongs here. What only tests need stays in
their package. Nothing here imports the rest of the package: the sandbox reads the contract by itself, so that a mistake
in the client's reading cannot hide in the server.
"""
