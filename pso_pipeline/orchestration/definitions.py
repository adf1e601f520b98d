"""The code location: the one place where assets, checks, jobs, schedules, sensors and resources are put together.

Loading it needs no setting, no network and no file. What the environment says of the schedules' times is read, and
cannot break the loading.
"""

from dagster import Definitions, in_process_executor, mem_io_manager

from pso_pipeline.orchestration.alerts import hotel_alerts
from pso_pipeline.orchestration.assets import (
    bi_snapshot,
    check_in_cancellation_metrics,
    enterprises,
    product_service_orders,
    services,
)
from pso_pipeline.orchestration.checks import ASSET_CHECKS
from pso_pipeline.orchestration.jobs import full_resync, refresh
from pso_pipeline.orchestration.recovery import killed_runs
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.schedules import build_schedules
from pso_pipeline.orchestration.sensors import enterprise_discovery, order_updates
from pso_pipeline.orchestration.timetable import read_times

PIPELINE = PipelineResource()

defs = Definitions(
    assets=[enterprises, services, product_service_orders, check_in_cancellation_metrics, bi_snapshot],
    asset_checks=ASSET_CHECKS,
    jobs=[refresh, full_resync],
    schedules=build_schedules(read_times()),
    sensors=[enterprise_discovery, order_updates, hotel_alerts, killed_runs],
    # a process for each step would take seconds to start, and a run of one asset has its checks beside it
    executor=in_process_executor,
    # nothing but the outcome of a step travels between steps, and those of a run are in one process
    resources={"pipeline": PIPELINE, "io_manager": mem_io_manager},
)
