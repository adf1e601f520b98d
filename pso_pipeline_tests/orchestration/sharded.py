"""What Dagster's daemon does for a refresh of several shards: it runs what is requested and joins the stages."""

from pso_pipeline.orchestration.definitions import defs
from pso_pipeline.orchestration.queue import Refresh, request_refresh
from pso_pipeline.orchestration.shards import SHARD_TAG


def execute(instance, request, **more):
    """Run what was requested, in this process."""
    return defs.get_job_def(request.job_name).execute_in_process(
        instance=instance, run_config=request.run_config, tags={**request.tags, **more}, raise_on_error=False
    )


EVERYTHING = Refresh()


def refresh_shards(daemon, wanted=EVERYTHING, requested_by="hourly_refresh"):
    """Request a refresh and run all of its stages; return the shards of each stage with whether they succeeded."""
    first = request_refresh(daemon.instance, wanted, requested_by)
    assert first is not None
    stages, requests = [], [first]
    while requests:
        stages.append({each.tags[SHARD_TAG]: execute(daemon.instance, each).success for each in requests})
        requests = daemon.tick("refresh_stages").run_requests
    return stages
