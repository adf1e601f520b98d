"""A process that sends as many requests as the rate limiter allows: tests of the limiter start several at a time."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from pso_pipeline.contract.endpoints import SERVICES
from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.discovery import list_all
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.limiter import RateLimit
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.mews.tokens import Token


async def ask(settings: dict[str, Any]) -> dict[str, Any]:
    rate_limit = RateLimit(settings["requests"], settings["window"], settings["margin"])
    retry_policy = RetryPolicy(pause_seconds=settings.get("pause_seconds", 60.0))
    async with MewsClient(
        settings["address"],
        Token("client"),
        client_name="greedy",
        state_dir=Path(settings["dir"]),
        rate_limit=rate_limit,
        retry_policy=retry_policy,
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
