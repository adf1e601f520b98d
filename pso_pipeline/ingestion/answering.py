"""Whether the API answers, and what time it is there: one small request, whose answer may be a refusal.

Nothing lands here. What was read, and which token is refused, is decided by refreshes.
"""

import asyncio
import contextlib
from contextlib import aclosing

from pso_pipeline.contract.endpoints import ENTERPRISES
from pso_pipeline.ingestion.api import Api
from pso_pipeline.mews.errors import CircuitOpen, MewsError, ServerFault, Unreachable
from pso_pipeline.mews.limiter.store import LimiterUnusable
from pso_pipeline.mews.pagination import pages
from pso_pipeline.mews.requests import GetAll, Limitation


async def why_silent(api: Api, *, seconds: float) -> str | None:
    """Return why the API gives no answer; None where it answers, or where the rate limiter leaves no turn."""
    request = GetAll(ENTERPRISES, limitation=Limitation(1))
    token = next(iter(api.tokens.values()))
    try:
        async with asyncio.timeout(seconds), aclosing(pages(api.client, request, token)) as walk:
            await anext(walk)
    except TimeoutError:
        was_sent = any(tally.requests for tally in api.client.tallies.values())
        return f"{request.operation}: no answer within {seconds:.0f} s" if was_sent else None
    except (ServerFault, Unreachable, CircuitOpen) as error:
        return str(error)
    except (MewsError, LimiterUnusable):
        return None
    return None


async def observe_time(api: Api, fingerprint: str) -> None:
    """Let the clock observe the server's time, by one small request with an access token; a failure changes nothing."""
    request = GetAll(ENTERPRISES, limitation=Limitation(1))
    with contextlib.suppress(MewsError):
        async with aclosing(pages(api.client, request, api.tokens[fingerprint])) as walk:
            api.clock.observe((await anext(walk)).server_time)
