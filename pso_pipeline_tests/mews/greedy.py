"""A machine that sends as many requests as the rate limiter allows: tests of the limiter start several at a time."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from pso_pipeline.contract.endpoints import SERVICES
from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.clock import Clock
from pso_pipeline.mews.discovery import list_all
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.limiter.files import FileStore
from pso_pipeline.mews.limiter.postgres import PostgresStore
from pso_pipeline.mews.limiter.redis import RedisStore
from pso_pipeline.mews.limiter.store import LimiterStore
from pso_pipeline.mews.limiter.turns import RateLimit
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.mews.tokens import Token


def store_at(location: str, clock: Clock) -> LimiterStore:
    """Make a store: a folder, an address of Redis or of PostgreSQL."""
    if location.startswith("redis:"):
        return RedisStore(location)
    return PostgresStore(location) if location.startswith("postgresql:") else FileStore(Path(location), clock)


async def ask(settings: dict[str, Any]) -> dict[str, Any]:
    clock = Clock(wall=lambda: time.time() + settings.get("clock_is_ahead", 0.0))
    rate_limit = RateLimit(settings["requests"], settings["window"], settings["margin"])
    retry_policy = RetryPolicy(pause_seconds=settings.get("pause_seconds", 60.0))
    async with MewsClient(
        settings["address"],
        Token("client"),
        client_name="greedy",
        limiter_store=store_at(settings["store"], clock),
        rate_limit=rate_limit,
        retry_policy=retry_policy,
        clock=clock,
    ) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        calls = (list_all(client, SERVICES, Token("access")) for _ in range(settings["calls"]))
        results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    if not all(isinstance(failure, MewsError) for failure in failed):
        raise failed[0]
    return {"done": len(results) - len(failed), "failed": [type(failure).__name__ for failure in failed]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(ask(json.loads(sys.argv[1])))))
