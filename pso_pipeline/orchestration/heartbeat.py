"""The heartbeat: after each successful publication the pipeline fetches an address that somebody else watches.

The watcher notices a dead daemon or a dead machine, which cannot send messages (`messages`) any more.
"""

import logging

import httpx

from pso_pipeline.settings import Settings

HEARTBEAT_SECONDS = 5.0

_LOG = logging.getLogger(__name__)

# httpx logs the address of each request, and those of heartbeat and webhook are secrets
logging.getLogger("httpx").setLevel(logging.WARNING)


def send_heartbeat(settings: Settings) -> None:
    """Fetch `PSO_HEARTBEAT_URL` if it is set; log a failure as a warning, without the address, which is a secret."""
    if settings.pso_heartbeat_url is None:
        return
    try:
        answer = httpx.get(str(settings.pso_heartbeat_url), timeout=HEARTBEAT_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        _LOG.warning("PSO_HEARTBEAT_URL does not answer (%s)", type(error).__name__)
        return
    if not answer.is_success:
        _LOG.warning("PSO_HEARTBEAT_URL answered with status %d", answer.status_code)
