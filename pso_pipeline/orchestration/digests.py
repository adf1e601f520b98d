"""The job `send_digest`: what changed, posted to the webhook `PSO_ALERT_WEBHOOK`.

Its schedule is `weekly_digest`. What a digest says belongs to `bi/digest.py`, its delivery to `messages`.
"""

from dagster import Failure, OpExecutionContext, in_process_executor, job, op

from pso_pipeline.bi.digest import read_digest
from pso_pipeline.bi.errors import SnapshotError
from pso_pipeline.orchestration.jobs import MAX_RUNTIME_TAGS
from pso_pipeline.orchestration.messages import Message, deliver
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.settings import Settings, SettingsError


@op
def post_digest(context: OpExecutionContext, pipeline: PipelineResource) -> None:  # noqa: ARG001  # the resource holds the lock that shows that the run is alive
    """Post the most remarkable changes of the published snapshot."""
    try:
        settings = Settings.load()
        digest = read_digest(settings.pso_bi_dir)
    except (SettingsError, SnapshotError) as error:
        raise Failure(str(error), allow_retries=False) from None
    if settings.pso_alert_webhook is None:
        raise Failure("PSO_ALERT_WEBHOOK is not set, so there is nowhere to send the digest to", allow_retries=False)
    _, problem = deliver(str(settings.pso_alert_webhook), [Message("digest", digest.as_text().replace("\n", " "))])
    if problem is not None:
        raise Failure(problem, allow_retries=False)
    context.log.info("%s", digest.headline)


@job(
    description="Post what changed in the last 7 and 28 days to the webhook.",
    executor_def=in_process_executor,
    tags=MAX_RUNTIME_TAGS,
)
def send_digest() -> None:
    """Post the digest."""
    post_digest()
