"""What is under way: asked before anything is started, so that runs do not pile up behind each other."""

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]


def is_busy(instance: DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job is waiting or under way."""
    return bool(instance.get_run_records(RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1))
