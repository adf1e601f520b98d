"""The API as the settings describe it: one client, the access tokens by fingerprint, the server's clock."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pso_pipeline.ingestion.clock import ServerClock
from pso_pipeline.mews.client import MewsClient
from pso_pipeline.mews.limiter.files import FileStore
from pso_pipeline.mews.limiter.store import LimiterStore
from pso_pipeline.mews.limiter.turns import RateLimit
from pso_pipeline.mews.retry import RetryPolicy
from pso_pipeline.mews.tokens import Token
from pso_pipeline.settings import Settings, is_redis, libpq_conninfo


@dataclass(frozen=True, slots=True)
class Api:
    """An open client, the access tokens in the order of the settings, and what time it is at the server."""

    client: MewsClient
    tokens: Mapping[str, Token]
    clock: ServerClock


@contextlib.asynccontextmanager
async def open_api(
    settings: Settings, retry_policy: RetryPolicy | None = None, clock: ServerClock | None = None
) -> AsyncIterator[Api]:
    """Open the client for the length of the block.

    `retry_policy` says how long a request is retried; `clock` is what earlier requests reported of the server's time.
    """
    tokens = [Token(secret.get_secret_value()) for secret in settings.mews_access_tokens]
    async with MewsClient(
        settings.platform_address,
        Token(settings.mews_client_token.get_secret_value()),
        client_name=settings.mews_client,
        limiter_store=limiter_store(settings),
        rate_limit=RateLimit(settings.mews_requests_per_window, settings.mews_window_seconds),
        retry_policy=retry_policy,
    ) as client:
        yield Api(client, {token.fingerprint: token for token in tokens}, clock or ServerClock())


def limiter_store(settings: Settings) -> LimiterStore:
    """Make the store in which processes share how much of each token's limit is used; it connects when it is used."""
    if settings.pso_limiter is None:
        return FileStore(limiter_folder())
    location = settings.pso_limiter.get_secret_value()
    if is_redis(location):
        from pso_pipeline.mews.limiter.redis import RedisStore  # noqa: PLC0415 - its package is optional

        return RedisStore(location)
    from pso_pipeline.mews.limiter.postgres import PostgresStore  # noqa: PLC0415 - its package is optional

    return PostgresStore(libpq_conninfo(location))


def limiter_folder() -> Path:
    """The folder in which processes of this user on this machine share how much of each token's limit is used.

    It lives as long as the machine's temporary files: a window of seconds is all that it remembers. Others can make a
    folder of that name first; the limiter refuses it then.
    """
    return Path(tempfile.gettempdir()) / f"pso-pipeline-{os.getuid()}"
