"""Messages: one when a hotel newly fails, one when it has recovered; to the log and, where set, by POST.

Not one for each run: what was said is remembered in the sensor's cursor. What a hotel's failure is stands in the
warehouse, where every kind of refresh notes it. The pipeline as a whole is spoken of in the same way, where a run ended
before anything could be published: the warehouse cannot be used, a check has stopped the publication.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import httpx
import msgspec
from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pso_pipeline.jobs import conclude, full_resync, refresh
from pso_pipeline.mews.tokens import hide_secrets
from pso_pipeline.resources import PipelineResource
from pso_pipeline.settings import SettingsError
from pso_pipeline.text import for_chat, for_markdown
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseHealth, read_health

ALERTS_SECONDS = 30
WAREHOUSE_SECONDS = 5.0

POST_SECONDS = 5.0
"""For one message; a webhook that takes longer counts as not answering."""

DELIVERY_SECONDS = 20.0
"""For all messages of one evaluation, which Dagster ends after 60 s; the rest goes out with the next."""

PIPELINE_ID = "pipeline"
"""Stands where a hotel's id does, in what is said of the pipeline as a whole."""

MAX_UNDELIVERED = 10_000
"""Messages kept for a webhook that does not answer: one each for a large portfolio, twice. The oldest go first."""


class Message(msgspec.Struct, frozen=True):
    """What is said of one hotel, or of the pipeline; `reason` is why it fails or did.

    `event` is `hotel_failing`, `hotel_recovered`, `pipeline_failing` or `pipeline_recovered`; the pipeline has no key,
    no id and no name.
    """

    event: str
    reason: str
    partition_key: str | None = None
    enterprise_id: str | None = None
    hotel: str | None = None

    @property
    def text(self) -> str:
        """One line for people."""
        match self.event:
            case "hotel_failing":
                return f"{self.hotel} ({self.partition_key}) cannot be read: {self.reason}"
            case "hotel_recovered":
                return f"{self.hotel} ({self.partition_key}) is read again; it had failed with: {self.reason}"
            case "pipeline_failing":
                return f"Nothing is published: {self.reason}"
            case _:
                return f"The pipeline publishes again; it had failed with: {self.reason}"


class Told(msgspec.Struct, frozen=True):
    """What was said so far: the hotels that fail, by id, with the reason; messages that the webhook has yet to get."""

    failing: dict[str, str] = {}
    undelivered: tuple[Message, ...] = ()


class NotDelivered(Exception):
    """The webhook did not take a message; says why, without its address, which often is a secret."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to say, and which hotels fail after that, by id, with the reason."""

    messages: tuple[Message, ...]
    failing: dict[str, str]


def decide_on_messages(health: Collection[EnterpriseHealth], failing: Mapping[str, str]) -> Decision:
    """Say what is new: hotels that fail and did not, and those of `failing` that no longer do.

    A hotel that fails for another reason than before is not new, and one that went out of scope has not recovered.
    """
    messages, still_failing = [], {}
    for each in health:
        reason = failing.get(each.enterprise_id)
        if each.last_error is not None:
            still_failing[each.enterprise_id] = reason or each.last_error
        if (each.last_error is None) == (reason is None):
            continue
        event = "hotel_failing" if each.last_error is not None else "hotel_recovered"
        said = each.last_error or reason or ""
        messages.append(Message(event, said, each.partition_key, each.enterprise_id, each.name or each.partition_key))
    return Decision(tuple(messages), still_failing)


def decide_on_pipeline(problem: str | None, failing: Mapping[str, str]) -> Decision:
    """Say what is new of the pipeline as a whole: that nothing is published, or that it is again."""
    reason = failing.get(PIPELINE_ID)
    if (problem is None) == (reason is None):
        return Decision((), {PIPELINE_ID: reason} if reason is not None else {})
    if problem is not None:
        return Decision((Message("pipeline_failing", problem),), {PIPELINE_ID: problem})
    return Decision((Message("pipeline_recovered", reason or ""),), {})


def find_problem(instance: DagsterInstance) -> str | None:
    """Tell why the last refresh that ended could not publish; None where it could, though hotels may have failed."""
    ended = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
    records = [
        record
        for job in (refresh, full_resync)
        for record in instance.get_run_records(RunsFilter(job_name=job.name, statuses=ended), limit=1)
    ]
    last = max(records, key=lambda record: record.create_timestamp, default=None)
    if last is None or last.dagster_run.status is DagsterRunStatus.SUCCESS:
        return None
    run_id = last.dagster_run.run_id
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is None or event.step_key == conclude.name:
            return None
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return data.user_failure_data.description
        said = data.error.message.strip().splitlines()[0] if data.error else "no reason is known"
        return f"{event.step_key} failed in run {run_id}: {said}"
    return f"run {run_id} ended without saying why"


def deliver(webhook: str, messages: Sequence[Message], seconds: float = DELIVERY_SECONDS) -> tuple[int, str | None]:
    """Post messages in order, as JSON; return how many were taken, and why no more were, None where all were.

    `text` is in the JSON for chat programs, the fields for programs. Each message is tried twice.
    """
    end = time.monotonic() + seconds
    with httpx.Client(timeout=POST_SECONDS) as client:
        for delivered, message in enumerate(messages):
            if time.monotonic() > end:
                return delivered, "there was no time left"
            try:
                _post(client, webhook, message)
            except NotDelivered as failure:
                return delivered, str(failure)
    return len(messages), None


def _post(client: httpx.Client, webhook: str, message: Message) -> None:
    twice = Retrying(
        retry=retry_if_exception_type(NotDelivered), stop=stop_after_attempt(2), wait=wait_random_exponential(max=1)
    )
    try:
        twice(_post_once, client, webhook, message)
    except RetryError as error:
        raise NotDelivered(str(error.last_attempt.exception())) from None


def _post_once(client: httpx.Client, webhook: str, message: Message) -> None:
    try:
        said = {"text": message.text, **msgspec.to_builtins(message)}
        clean = {name: for_chat(hide_secrets(each)) if isinstance(each, str) else each for name, each in said.items()}
        answer = client.post(webhook, json=clean)
    except httpx.HTTPError as error:
        raise NotDelivered(f"PSO_ALERT_WEBHOOK does not answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise NotDelivered(f"PSO_ALERT_WEBHOOK answered with status {answer.status_code}")


@sensor(
    minimum_interval_seconds=ALERTS_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Says once of each hotel that it fails, and once that it has recovered; of the pipeline too.",
)
def hotel_alerts(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """Look how every hotel went last time, and the last refresh as a whole, and say what is new."""
    told = decode_told(context.cursor)
    hotels_failing = {identifier: reason for identifier, reason in told.failing.items() if identifier != PIPELINE_ID}
    try:
        settings = pipeline.settings()
        of_hotels, unread = decide_on_messages(_read_health(pipeline), hotels_failing), None
    except SettingsError as error:
        return SkipReason(str(error))
    except WarehouseError as error:
        of_hotels, unread = Decision((), hotels_failing), str(error)
    of_pipeline = decide_on_pipeline(find_problem(context.instance), told.failing)
    messages = (*of_pipeline.messages, *of_hotels.messages)
    for message in messages:
        context.log.warning("%s", for_markdown(message.text))
    undelivered = (*told.undelivered, *messages)
    if settings.pso_alert_webhook is None:
        undelivered = ()
    delivered, problem = deliver(str(settings.pso_alert_webhook), undelivered) if undelivered else (0, None)
    if problem:
        context.log.warning("%d message(s) will be posted later: %s", len(undelivered) - delivered, problem)
    following = Told(of_pipeline.failing | of_hotels.failing, undelivered[delivered:][-MAX_UNDELIVERED:])
    outcome = f"{len(messages)} new message(s), {len(of_hotels.failing)} hotel(s) fail"
    return SensorResult(
        skip_reason="; ".join(filter(None, (outcome, unread, problem))),
        cursor=msgspec.json.encode(following).decode(),
    )


def _read_health(pipeline: PipelineResource) -> list[EnterpriseHealth]:
    warehouse = pipeline.warehouse(patience_seconds=WAREHOUSE_SECONDS)
    if not warehouse.exists:
        return []
    with warehouse.open() as connection:
        return read_health(connection)


def decode_told(cursor: str | None) -> Told:
    """Read the sensor's cursor; one that another version wrote tells nothing."""
    try:
        return msgspec.json.decode(cursor or "{}", type=Told)
    except msgspec.DecodeError:
        return Told()
