"""Test doubles of the API: a world that a test writes, faults of the transport, and the log of what arrived.

Everything that only a test needs of the sandbox belongs here. `server.serve` serves any world with faults and a log
over real HTTP. What users start (`pso demo`, `pso sandbox`) stays in `pso_pipeline.sandbox`.
"""
