"""A process that asks as often as it is let: started by tests of the limiter, several at a time."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.discovery import list_services
from pso_pipeline.mews.errors import MewsError
from pso_pipeline.mews.limiter import Limits
from pso_pipeline.mews.patience import Patience
from pso_pipeline.mews.tokens import Token


async def ask(settings: dict[str, Any]) -> dict[str, Any]:
    limits = Limits(settings["requests"], settings["window"], settings["margin"])
    patience = Patience(hold_seconds=settings.get("hold_seconds", 60.0))
    async with MewsClient(
        settings["address"],
        Token("client"),
        client_name="greedy",
        state_dir=Path(settings["dir"]),
        limits=limits,
        patience=patience,
    ) as client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        calls = (list_services(client, Token("access")) for _ in range(settings["calls"]))
        results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    if not all(isinstance(failure, MewsError) for failure in failed):
        raise failed[0]
    return {"done": len(results) - len(failed), "failed": [type(failure).__name__ for failure in failed]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(ask(json.loads(sys.argv[1])))))
