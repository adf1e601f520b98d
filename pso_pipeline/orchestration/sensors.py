"""The sensors that start a refresh because something changed: new hotels and changed orders. They are on by default.

Each is a pure decision and a thin shell around it. Messages about failures are in `alerts`, repeated runs in
`recovery`, and how a refresh joins the queue in `queue`.
"""

import asyncio
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from dagster import (
    BetaWarning,
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.polling import Polled, PollState, is_due, poll, watched_services
from pso_pipeline.ingestion.scope import ScopeReport, choose_endpoints, discover_enterprises
from pso_pipeline.mews.limiter.turns import RateLimit
from pso_pipeline.mews.retry import BRIEF, RetryPolicy
from pso_pipeline.orchestration.jobs import refresh
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.orchestration.queue import Refresh, is_refreshing, request_refresh
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.shard_jobs import discover
from pso_pipeline.orchestration.timetable import read_updates_seconds
from pso_pipeline.settings import SettingsError
from pso_pipeline.text import for_markdown
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseRow, ScopeRow, read_enterprises, read_scopes
from pso_pipeline.warehouse.session import Warehouse

# Dagster's own decorator passes on the beta parameter even if it is not used
warnings.filterwarnings("ignore", message="Parameter `owners` of initializer `SensorDefinition", category=BetaWarning)

DISCOVERY_SECONDS = 600
"""Seconds between two evaluations; Dagster's daemon adds up to 5."""

API_SECONDS = 30.0
"""Timeout of the requests of an evaluation, which Dagster ends after 60 s."""

OPTIONAL_SECONDS = 15.0
"""Timeout of the requests for an optional endpoint, which come after those for orders."""

WAREHOUSE_SECONDS = 5.0

ONE_RETRY = RetryPolicy(attempts=2, seconds=5.0, pause_seconds=2.0)
"""Retry policy of a poll, which is repeated a few seconds later anyway."""

REFRESH_PAUSES_POLLS = timedelta(minutes=2)
"""A refresh that runs no longer than this pauses polls, because it reads what they would find. A longer one, such as
the first read of a hotel, must not block the other hotels."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The decision on the listed hotels: partitions to add, and those of them to read at once."""

    new_partitions: tuple[str, ...]
    to_read: frozenset[str]


def decide_on_discovery(enterprises: Collection[EnterpriseRow], known: Collection[str]) -> Discovery:
    """Decide to add a partition for each hotel that has none, and to read those of them that are in scope."""
    new = [each for each in enterprises if each.partition_key not in known]
    return Discovery(
        tuple(sorted(each.partition_key for each in new)),
        frozenset(each.partition_key for each in new if each.is_in_scope),
    )


@sensor(
    jobs=[refresh, discover],
    minimum_interval_seconds=DISCOVERY_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Finds new hotels, adds their partitions and starts a refresh of them.",
)
def enterprise_discovery(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """List the hotels of every token, add partitions for new ones and mark those that left the scope."""
    try:
        warehouse = pipeline.warehouse(wait_seconds=WAREHOUSE_SECONDS)
        max_lost_share = pipeline.settings().pso_scope_max_lost_share
        report = pipeline.with_api(lambda api: _discover(api, warehouse, max_lost_share), BRIEF)
        with warehouse.open() as connection:
            found = read_enterprises(connection)
    except (SettingsError, WarehouseError) as error:
        return SkipReason(str(error))
    except TimeoutError:
        return SkipReason(f"listing the hotels took more than {API_SECONDS:.0f} s")
    known = context.instance.get_dynamic_partitions(str(ENTERPRISE_PARTITIONS.name))
    decision = decide_on_discovery(found, known)
    if not decision.new_partitions:
        reasons = "; ".join(map(for_markdown, (*report.failures.values(), *report.problems, *report.notices)))
        return SkipReason(reasons or f"no new hotel among {len(found)}")
    request = decision.to_read and request_refresh(
        context.instance, refresh_of_hotels(found, decision.to_read), context.sensor_name
    )
    return SensorResult(
        run_requests=[request] if request else [],
        dynamic_partitions_requests=[ENTERPRISE_PARTITIONS.build_add_request(list(decision.new_partitions))],
    )


@sensor(
    jobs=[refresh, discover],
    minimum_interval_seconds=read_updates_seconds(),
    default_status=DefaultSensorStatus.RUNNING,
    description="Polls for changed orders and starts a refresh of their hotels.",
)
def order_updates(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """Poll each token that is due for changes since the last poll, and request a refresh of their hotels."""
    if is_refreshing(context.instance, REFRESH_PAUSES_POLLS):
        return SkipReason("a refresh runs: polls continue after it")
    states = decode_polls(context.cursor)
    try:
        settings = pipeline.settings()
        endpoints = [each for each in choose_endpoints(settings.pso_endpoints) if not each.is_slow]
        with pipeline.warehouse(wait_seconds=WAREHOUSE_SECONDS).open() as connection:
            enterprises = read_enterprises(connection)
            scopes = {each: read_scopes(connection, each) for each in endpoints}
        limits = RateLimit(settings.mews_requests_per_window, settings.mews_window_seconds)
        due = {
            each: choose_polls(enterprises, scopes[each], _states_of(each, states), datetime.now(UTC), limits)
            for each in endpoints
        }
        if not any(due.values()):
            return SkipReason("no token is due" if scopes[PRODUCT_SERVICE_ORDERS] else "no hotel has been read yet")
        polled = pipeline.with_api(lambda api: _poll_each(api, due, states, settings.pso_order_item_types), ONE_RETRY)
    except (SettingsError, WarehouseError) as error:
        return SkipReason(str(error))
    cursor = encode_polls({**states, **polled.states})
    changed = frozenset(each.partition_key for each in enterprises if each.enterprise_id in polled.changed)
    if not changed:
        return SensorResult(
            skip_reason="; ".join(map(for_markdown, polled.troubles))
            or f"no change behind {len(set().union(*due.values()))} token(s)",
            cursor=cursor,
        )
    request = request_refresh(context.instance, refresh_of_hotels(enterprises, changed), context.sensor_name)
    if request is None:
        return SensorResult(skip_reason="a refresh of the hotels that changed waits", cursor=cursor)
    return SensorResult(run_requests=[request], cursor=cursor)


async def _poll_each(
    api: Api,
    due: Mapping[Endpoint, Mapping[str, Sequence[ScopeRow]]],
    states: Mapping[str, PollState],
    kept_kinds: Collection[str],
) -> Polled:
    """Poll one endpoint after the other, orders first, so that they wait for no fault of another one."""
    found: dict[str, PollState] = {}
    changed: set[str] = set()
    for endpoint, watched in due.items():
        polled = await poll(
            api,
            watched,
            _states_of(endpoint, states),
            seconds=OPTIONAL_SECONDS if endpoint.is_optional else API_SECONDS,
            endpoint=endpoint,
            left_out_kinds=frozenset(endpoint.optional_kinds) - frozenset(kept_kinds),
        )
        found |= {_cursor_key(endpoint, token): state for token, state in polled.states.items()}
        changed |= polled.changed
    return Polled(found, frozenset(changed))


def _cursor_key(endpoint: Endpoint, token: str) -> str:
    """Under which key the cursor keeps the state of a token: of product service orders, the fingerprint alone."""
    return token if endpoint is PRODUCT_SERVICE_ORDERS else f"{token} {endpoint.name}"


def _states_of(endpoint: Endpoint, states: Mapping[str, PollState]) -> dict[str, PollState]:
    suffix = _cursor_key(endpoint, "")
    tokens = (key.removesuffix(suffix) for key in states if key.endswith(suffix))
    return {token: states[_cursor_key(endpoint, token)] for token in tokens}


def choose_polls(
    enterprises: Collection[EnterpriseRow],
    services: Collection[ScopeRow],
    states: Mapping[str, PollState],
    now: datetime,
    limits: RateLimit,
) -> dict[str, list[ScopeRow]]:
    """Choose the tokens to poll now, with their services."""
    watched = watched_services(enterprises, services)
    return {token: asked for token, asked in watched.items() if is_due(states.get(token), len(asked), now, limits)}


def refresh_of_hotels(enterprises: Collection[EnterpriseRow], keys: frozenset[str]) -> Refresh:
    """Return the refresh of these partition keys; one of everything if no other hotel is in scope."""
    everything = {each.partition_key for each in enterprises if each.is_in_scope}
    return Refresh(None if keys >= everything else keys)


def decode_polls(cursor: str | None) -> dict[str, PollState]:
    """Read the sensor's cursor; empty if another version wrote it."""
    try:
        return msgspec.json.decode(cursor or "{}", type=dict[str, PollState])
    except msgspec.DecodeError:
        return {}


def encode_polls(states: Mapping[str, PollState]) -> str:
    """Write the sensor's cursor."""
    return msgspec.json.encode(states).decode()


async def _discover(api: Api, warehouse: Warehouse, max_lost_share: float) -> ScopeReport:
    async with asyncio.timeout(API_SECONDS):
        return await discover_enterprises(api, warehouse, max_lost_share)
