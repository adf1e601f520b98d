"""Sensors: what runs because something changed, running by default. Each is a pure decision under a thin shell."""

import warnings
from collections.abc import Collection
from dataclasses import dataclass

from dagster import (
    BetaWarning,
    DefaultSensorStatus,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from pso_pipeline.automation.queue import is_busy
from pso_pipeline.ingestion.scope import discover_enterprises
from pso_pipeline.jobs import refresh
from pso_pipeline.mews.patience import BRIEF
from pso_pipeline.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.resources import PipelineResource
from pso_pipeline.settings import SettingsError
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseRow, read_enterprises

# Dagster's own decorator passes the beta parameter on, whether it is used or not
warnings.filterwarnings("ignore", message="Parameter `owners` of initializer `SensorDefinition", category=BetaWarning)

SENSOR_PATIENCE_SECONDS = 20.0
"""An evaluation that takes longer than 60 s is ended by Dagster; waiting for the API needs its share of them."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What follows from the enterprises that tokens reach: partitions to add, whether to refresh at once."""

    new_partitions: tuple[str, ...]
    refreshes: bool


def decide_on_discovery(enterprises: Collection[EnterpriseRow], known: Collection[str], *, is_busy: bool) -> Discovery:
    """Add a partition for each enterprise that has none; refresh where one of those is in scope and nothing runs."""
    new = [each for each in enterprises if each.partition_key not in known]
    return Discovery(
        tuple(sorted(each.partition_key for each in new)),
        refreshes=not is_busy and any(each.is_in_scope for each in new),
    )


@sensor(
    job=refresh,
    minimum_interval_seconds=600,
    default_status=DefaultSensorStatus.RUNNING,
    description="Finds new hotels: adds their partitions and has them read at once.",
)
def enterprise_discovery(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """List the enterprises of every token, add partitions for new ones, refresh where there are any."""
    try:
        warehouse = pipeline.warehouse(patience_seconds=SENSOR_PATIENCE_SECONDS)
        report = pipeline.with_api(lambda api: discover_enterprises(api, warehouse), BRIEF)
        with warehouse.open() as connection:
            found = read_enterprises(connection)
    except (SettingsError, WarehouseError) as error:
        return SkipReason(str(error))
    known = context.instance.get_dynamic_partitions(str(ENTERPRISE_PARTITIONS.name))
    decision = decide_on_discovery(found, known, is_busy=is_busy(context.instance, refresh.name))
    if not decision.new_partitions:
        return SkipReason("; ".join(report.failures.values()) or f"no new hotel among {len(found)}")
    return SensorResult(
        run_requests=[RunRequest()] if decision.refreshes else [],
        dynamic_partitions_requests=[ENTERPRISE_PARTITIONS.build_add_request(list(decision.new_partitions))],
    )
