"""The code location: all assets, checks, jobs, schedules, sensors and resources.

It loads without any setting, network or file. The times of the schedules come from the environment; a wrong time does
not break the loading.
"""

from dagster import Definitions, in_process_executor, mem_io_manager

from pso_pipeline.orchestration.alerts import hotel_alerts
from pso_pipeline.orchestration.assets import ASSETS
from pso_pipeline.orchestration.checks import ASSET_CHECKS
from pso_pipeline.orchestration.digests import send_digest
from pso_pipeline.orchestration.jobs import full_resync, refresh
from pso_pipeline.orchestration.maintenance import lake_maintenance, maintain_lake
from pso_pipeline.orchestration.recovery import killed_runs
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.retention import housekeeping
from pso_pipeline.orchestration.schedules import build_schedules
from pso_pipeline.orchestration.sensors import enterprise_discovery, order_updates
from pso_pipeline.orchestration.shard_jobs import SHARD_JOBS
from pso_pipeline.orchestration.stages import refresh_stages
from pso_pipeline.orchestration.timetable import read_times

PIPELINE = PipelineResource()

defs = Definitions(
    assets=[*ASSETS, lake_maintenance],
    asset_checks=ASSET_CHECKS,
    jobs=[refresh, full_resync, housekeeping, maintain_lake, send_digest, *SHARD_JOBS.values()],
    schedules=build_schedules(read_times()),
    sensors=[enterprise_discovery, order_updates, hotel_alerts, killed_runs, refresh_stages],
    # a process for each step would take seconds to start
    executor=in_process_executor,
    # steps pass on only their outcome, and all steps of a run are in one process
    resources={"pipeline": PIPELINE, "io_manager": mem_io_manager},
)
