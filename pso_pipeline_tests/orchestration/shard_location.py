"""A code location with the jobs of shards alone: its daemon evaluates no sensor and no schedule."""

from dagster import Definitions, mem_io_manager

from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.shard_jobs import SHARD_JOBS

defs = Definitions(
    jobs=list(SHARD_JOBS.values()), resources={"pipeline": PipelineResource(), "io_manager": mem_io_manager}
)
