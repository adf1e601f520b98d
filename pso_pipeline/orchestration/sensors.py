"""Sensors: what runs because something changed, running by default. Each is a pure decision under a thin shell.

Messages about hotels that fail stand in `alerts`; how a refresh joins those that wait, in `queue`.
"""

import asyncio
import warnings
from collections.abc import Collection, Mapping
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

from pso_pipeline.ingestion.api import Api
from pso_pipeline.ingestion.probe import Look, is_due, probe, watched_services
from pso_pipeline.ingestion.scope import ScopeReport, discover_enterprises
from pso_pipeline.mews.limiter import RateLimit
from pso_pipeline.mews.retry import BRIEF, RetryPolicy
from pso_pipeline.orchestration.jobs import refresh
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.orchestration.queue import Wanted, is_refreshing, request_refresh
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.timetable import read_updates_seconds
from pso_pipeline.settings import SettingsError
from pso_pipeline.text import for_markdown
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseRow, ServiceRow, read_enterprises, read_services
from pso_pipeline.warehouse.session import Warehouse

# Dagster's own decorator passes the beta parameter on, whether it is used or not
warnings.filterwarnings("ignore", message="Parameter `owners` of initializer `SensorDefinition", category=BetaWarning)

DISCOVERY_SECONDS = 600
"""Least seconds between two evaluations; Dagster's daemon adds up to 5."""

API_SECONDS = 30.0
"""Dagster ends an evaluation after 60 s; what waits for the API and for the warehouse stays well below that."""

WAREHOUSE_SECONDS = 5.0

IMPATIENT = RetryPolicy(attempts=2, seconds=5.0, pause_seconds=2.0)
"""For what is asked again a few seconds later anyway."""

GIVES_WAY = timedelta(minutes=2)
"""While a refresh is under way nothing is looked for, since it reads what a look would find; one that takes longer (the
first read of a hotel) must not hold the others up."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What follows from the enterprises that tokens reach: partitions to add, and those of them to read at once."""

    new_partitions: tuple[str, ...]
    to_read: frozenset[str]


def decide_on_discovery(enterprises: Collection[EnterpriseRow], known: Collection[str]) -> Discovery:
    """Add a partition for each enterprise that has none; read at once those of them that are in scope."""
    new = [each for each in enterprises if each.partition_key not in known]
    return Discovery(
        tuple(sorted(each.partition_key for each in new)),
        frozenset(each.partition_key for each in new if each.is_in_scope),
    )


@sensor(
    job=refresh,
    minimum_interval_seconds=DISCOVERY_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Finds new hotels: adds their partitions and has them read at once.",
)
def enterprise_discovery(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """List the enterprises of every token, mark those that none sees any more, add partitions for new ones."""
    try:
        warehouse = pipeline.warehouse(patience_seconds=WAREHOUSE_SECONDS)
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
        context.instance, wanted_of(found, decision.to_read), context.sensor_name
    )
    return SensorResult(
        run_requests=[request] if request else [],
        dynamic_partitions_requests=[ENTERPRISE_PARTITIONS.build_add_request(list(decision.new_partitions))],
    )


@sensor(
    job=refresh,
    minimum_interval_seconds=read_updates_seconds(),
    default_status=DefaultSensorStatus.RUNNING,
    description="Looks for changed orders and has the hotels read that they belong to.",
)
def order_updates(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """Ask each token that is due what changed since the last look, and request a refresh of those hotels."""
    if is_refreshing(context.instance, GIVES_WAY):
        return SkipReason("a refresh is under way: what changes meanwhile is looked for after it")
    looks = decode_looks(context.cursor)
    try:
        settings = pipeline.settings()
        with pipeline.warehouse(patience_seconds=WAREHOUSE_SECONDS).open() as connection:
            enterprises, services = read_enterprises(connection), read_services(connection)
        due = decide_on_looks(
            enterprises,
            services,
            looks,
            datetime.now(UTC),
            RateLimit(settings.mews_requests_per_window, settings.mews_window_seconds),
        )
        if not due:
            return SkipReason("no token is due" if services else "no hotel has been read yet")
        probed = pipeline.with_api(lambda api: probe(api, due, looks, seconds=API_SECONDS), IMPATIENT)
    except (SettingsError, WarehouseError) as error:
        return SkipReason(str(error))
    cursor = encode_looks({**looks, **probed.looks})
    changed = frozenset(each.partition_key for each in enterprises if each.enterprise_id in probed.changed)
    if not changed:
        return SensorResult(
            skip_reason="; ".join(map(for_markdown, probed.troubles))
            or f"no change behind {len(probed.looks)} token(s)",
            cursor=cursor,
        )
    request = request_refresh(context.instance, wanted_of(enterprises, changed), context.sensor_name)
    if request is None:
        return SensorResult(skip_reason="a refresh of the hotels that changed is waiting", cursor=cursor)
    return SensorResult(run_requests=[request], cursor=cursor)


def decide_on_looks(
    enterprises: Collection[EnterpriseRow],
    services: Collection[ServiceRow],
    looks: Mapping[str, Look],
    now: datetime,
    limits: RateLimit,
) -> dict[str, list[ServiceRow]]:
    """Choose the tokens to look at now, with the services to ask for."""
    watched = watched_services(enterprises, services)
    return {token: asked for token, asked in watched.items() if is_due(looks.get(token), len(asked), now, limits)}


def wanted_of(enterprises: Collection[EnterpriseRow], keys: frozenset[str]) -> Wanted:
    """Tell what to read for these partition keys: everything, where they are all that is in scope."""
    everything = {each.partition_key for each in enterprises if each.is_in_scope}
    return Wanted(None if keys >= everything else keys)


def decode_looks(cursor: str | None) -> dict[str, Look]:
    """Read the sensor's cursor; one that another version wrote is a first look."""
    try:
        return msgspec.json.decode(cursor or "{}", type=dict[str, Look])
    except msgspec.DecodeError:
        return {}


def encode_looks(looks: Mapping[str, Look]) -> str:
    """Write the sensor's cursor."""
    return msgspec.json.encode(looks).decode()


async def _discover(api: Api, warehouse: Warehouse, max_lost_share: float) -> ScopeReport:
    async with asyncio.timeout(API_SECONDS):
        return await discover_enterprises(api, warehouse, max_lost_share)
