"""The sensor `hotel_alerts`: one message when something begins to fail, and one when it has recovered.

It sends messages about hotels that fail, grouped by cause; hotels that a check holds back from the snapshot; fields and
values that Mews added or stopped sending; the API, if it does not answer; the pipeline, if a refresh published nothing;
and refreshes, if none has ended for long. The cursor of the sensor has what was sent. Add here what decides on a
message; texts and delivery are in `messages`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from dagster import (
    AssetCheckEvaluation,
    DagsterInstance,
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from pso_pipeline.bi.errors import SnapshotError
from pso_pipeline.bi.folder import read_manifest
from pso_pipeline.ingestion.answering import why_silent
from pso_pipeline.ingestion.causes import by_cause
from pso_pipeline.mews.retry import BRIEF
from pso_pipeline.orchestration.evaluations import api_evaluation, read_api_problem
from pso_pipeline.orchestration.jobs import refresh
from pso_pipeline.orchestration.messages import Hotel, Message, deliver, message_about
from pso_pipeline.orchestration.outcomes import Outcome, read_last_outcome
from pso_pipeline.orchestration.queue import Refresh, request_refresh
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.orchestration.shard_jobs import discover
from pso_pipeline.settings import SettingsError
from pso_pipeline.text import for_markdown
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseHealth, read_health
from pso_pipeline.warehouse.schema_changes import read_schema_changes

ALERTS_SECONDS = 15
"""Two evaluations in a row without an answer are an outage, which must be reported within two minutes."""

WAREHOUSE_SECONDS = 5.0

API_SECONDS = 25.0
"""Timeout of the small request to the API. Dagster ends an evaluation after 60 s."""

RECOVERY_TIME = timedelta(minutes=10)
"""Time after an outage of the API in which refreshes read the hotels again that failed because of it."""

MIN_OVERDUE = timedelta(hours=2)
"""Shortest time without the end of a refresh that is reported. By default a refresh ends every hour."""

MAX_PAUSE = timedelta(minutes=5)
"""Longest pause between two evaluations. After a longer one, this machine or the daemon was off."""

PIPELINE_ID, API_ID, REFRESHES_ID = "pipeline", "api", "refreshes"
"""Keys of the whole pipeline, the API and the refreshes, next to the ids of hotels."""

MOST_SCHEMA_CHANGES = 10
"""Fields and values that one message names."""

MAX_UNDELIVERED = 1_000
"""Messages kept for a webhook that does not answer; the oldest are dropped first."""


class AlertState(msgspec.Struct, frozen=True):
    """What was sent so far, and what the next evaluation needs to know.

    `failing` has the reasons of the failures that were sent, by hotel id or one of the keys above. `held_back` has the
    same for hotels that a check holds back. `suppressed` has the hotels that fail because of an outage of the API,
    which is one message. `schema_changes` has the fields and values that were added or are missing now. `undelivered`
    has the messages that the webhook has not accepted yet. The API has not answered since `outage_since_utc`, and
    answered again at `answered_utc`. The last evaluation was at `evaluated_utc`. The daemon has run since
    `running_since_utc`.
    """

    failing: dict[str, str] = {}
    held_back: dict[str, str] = {}
    suppressed: frozenset[str] = frozenset()
    undelivered: tuple[Message, ...] = ()
    schema_changes: frozenset[str] = frozenset()
    outage_since_utc: datetime | None = None
    answered_utc: datetime | None = None
    evaluated_utc: datetime | None = None
    running_since_utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The messages to send, the failures that were sent, by id with the reason, and the suppressed hotels."""

    messages: tuple[Message, ...]
    failing: dict[str, str]
    suppressed: frozenset[str] = frozenset()


def decide_on_messages(
    health: Collection[EnterpriseHealth],
    failing: Mapping[str, str],
    suppressed: Collection[str] = (),
    *,
    in_outage: bool = False,
    events: tuple[str, str] = ("hotel_failing", "hotel_recovered"),
) -> Decision:
    """Decide on messages about hotels that began to fail, and about hotels in `failing` that recovered, by cause.

    A hotel that fails for another reason than before is not new. A hotel that left the scope has not recovered. During
    an outage (`in_outage`) hotels that begin to fail are suppressed. `events` names the two kinds of messages.
    """
    by_id = {each.enterprise_id: each for each in health}
    failed = {each.enterprise_id: each.last_error for each in health if each.last_error is not None}
    new = {identifier: reason for identifier, reason in failed.items() if identifier not in failing}
    recovered = {
        identifier: reason for identifier, reason in failing.items() if identifier in by_id and identifier not in failed
    }
    messages = [
        message_about(event, group.reason, [_hotel(by_id[identifier]) for identifier in group.names])
        for event, reasons in zip(events, ({} if in_outage else new, recovered), strict=True)
        for group in by_cause(reasons.items())
    ]
    still_failing = {
        identifier: failing.get(identifier, reason)
        for identifier, reason in failed.items()
        if identifier in failing or not in_outage
    }
    kept = frozenset(new) | (frozenset(suppressed) & failed.keys()) if in_outage else frozenset()
    return Decision(tuple(messages), still_failing, kept)


def _hotel(each: EnterpriseHealth) -> Hotel:
    return Hotel(each.partition_key, each.enterprise_id, each.name or each.partition_key)


def decide_on(identifier: str, problem: str | None, failing: Mapping[str, str]) -> Decision:
    """Decide on a message about the whole pipeline, the API or the refreshes, by its key."""
    reason = failing.get(identifier)
    if problem is not None:
        messages = (Message(f"{identifier}_failing", problem),) if reason is None else ()
        return Decision(messages, {identifier: reason or problem})
    return Decision((Message(f"{identifier}_recovered", reason),) if reason is not None else (), {})


def find_overdue_refresh(last: Outcome | None, watching: datetime, now: datetime, stale_after: timedelta) -> str | None:
    """Return since when no refresh has ended, if that is too long for a daemon that has run all the time."""
    since = max(last.ended_utc, watching) if last else watching
    if now - since <= max(MIN_OVERDUE, stale_after):
        return None
    ended = f"{last.ended_utc:%Y-%m-%d %H:%M} UTC" if last else "the first start"
    return f"No refresh has ended since {ended}: check the running runs and the queue"


def watch_api(state: AlertState, silence: str | None, now: datetime) -> AlertState:
    """Record whether the API answers now; `silence` is the reason if it does not."""
    if silence is not None:
        return msgspec.structs.replace(state, outage_since_utc=state.outage_since_utc or now)
    answered = now if state.outage_since_utc else state.answered_utc
    return msgspec.structs.replace(state, outage_since_utc=None, answered_utc=answered)


@sensor(
    jobs=[refresh, discover],
    minimum_interval_seconds=ALERTS_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description=(
        "Sends one message when something begins to fail and one when it has recovered: hotels, by cause; the API, "
        "when it does not answer; the pipeline, when nothing is published or no refresh ends. Sends one message about "
        "fields and values that Mews added or stopped sending."
    ),
)
def hotel_alerts(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """Ask the API whether it answers, read the state of every hotel and of the last refresh, and send what is new."""
    now, before = datetime.now(UTC), decode_alert_state(context.cursor)
    try:
        settings = pipeline.settings()
        silence = pipeline.with_api(lambda api: why_silent(api, seconds=API_SECONDS), BRIEF)
    except SettingsError as error:
        return SkipReason(str(error))
    state = watch_api(before, silence, now)
    is_outage = silence is not None and (before.outage_since_utc is not None or API_ID in before.failing)
    of_api = decide_on(API_ID, silence if is_outage else None, before.failing)
    in_outage = silence is not None or (state.answered_utc is not None and now - state.answered_utc < RECOVERY_TIME)
    hotels_failing = {
        identifier: reason
        for identifier, reason in before.failing.items()
        if identifier not in {PIPELINE_ID, API_ID, REFRESHES_ID}
    }
    schema = before.schema_changes
    try:
        (health, schema), unread = _read_health(pipeline), None
        of_hotels = decide_on_messages(health, hotels_failing, state.suppressed, in_outage=in_outage)
        of_publication = _decide_on_publication(settings.pso_bi_dir, health, state.held_back)
    except WarehouseError as error:
        of_hotels, unread = Decision((), hotels_failing, state.suppressed), str(error)
        of_publication = Decision((), state.held_back)
    last = read_last_outcome(context.instance)
    was_off = before.evaluated_utc is None or now - before.evaluated_utc > MAX_PAUSE
    watching = now if was_off or before.running_since_utc is None else before.running_since_utc
    stale_after = timedelta(hours=settings.pso_stale_after_hours)
    decisions = (
        of_api,
        decide_on(PIPELINE_ID, last.problem if last else None, before.failing),
        decide_on(REFRESHES_ID, find_overdue_refresh(last, watching, now, stale_after), before.failing),
        of_hotels,
    )
    messages = [message for decision in (*decisions, of_publication) for message in decision.messages]
    if new := sorted(schema - before.schema_changes):
        messages.append(Message("schema_changed", describe_schema(new)))
    for message in messages:
        context.log.warning("%s", for_markdown(message.text))
    undelivered = (*state.undelivered, *messages) if settings.pso_alert_webhook is not None else ()
    delivered, problem = deliver(str(settings.pso_alert_webhook), undelivered) if undelivered else (0, None)
    if problem:
        context.log.warning("%d message(s) will be posted later: %s", len(undelivered) - delivered, problem)
    following = msgspec.structs.replace(
        state,
        failing={identifier: reason for each in decisions for identifier, reason in each.failing.items()},
        held_back=of_publication.failing,
        suppressed=of_hotels.suppressed,
        undelivered=undelivered[delivered:][-MAX_UNDELIVERED:],
        schema_changes=schema,
        evaluated_utc=now,
        running_since_utc=watching,
    )
    outcome = f"{len(messages)} new message(s), {len(of_hotels.failing) + len(of_hotels.suppressed)} failing hotel(s)"
    # only a refresh marks hotels as failed, and reads them again
    request = request_refresh(context.instance, Refresh(), context.sensor_name) if of_api.messages else None
    return SensorResult(
        run_requests=[request] if request else [],
        skip_reason=None if request else "; ".join(filter(None, (outcome, silence, unread, problem))),
        cursor=msgspec.json.encode(following).decode(),
        asset_events=_api_events(context.instance, silence if is_outage else None, is_certain=silence is None),
    )


def _api_events(instance: DagsterInstance, problem: str | None, *, is_certain: bool) -> list[AssetCheckEvaluation]:
    """Return the check evaluation that the web UI lacks: that the API does not answer, or that it answers again."""
    shown = read_api_problem(instance)
    if (problem is None) == (shown is None) or (problem is None and not is_certain):
        return []
    return [api_evaluation(problem)]


def _decide_on_publication(
    bi_dir: Path, health: Collection[EnterpriseHealth], held_back: Mapping[str, str]
) -> Decision:
    """Decide on messages about hotels that a check begins to hold back, and about those that are published again."""
    try:
        now_held_back = read_manifest(bi_dir).held_back
    except SnapshotError:
        return Decision((), dict(held_back))
    published = [replace(each, last_error=now_held_back.get(each.partition_key)) for each in health]
    return decide_on_messages(published, held_back, events=("hotel_held_back", "hotel_published_again"))


def describe_schema(changes: Sequence[str]) -> str:
    """Name the first changes of fields and values, and how many more there are."""
    more = f", and {len(changes) - MOST_SCHEMA_CHANGES} more" if len(changes) > MOST_SCHEMA_CHANGES else ""
    return "; ".join(changes[:MOST_SCHEMA_CHANGES]) + more


def _read_health(pipeline: PipelineResource) -> tuple[list[EnterpriseHealth], frozenset[str]]:
    """Read the state of the hotels, and which fields and values were added or are missing."""
    warehouse = pipeline.warehouse(wait_seconds=WAREHOUSE_SECONDS)
    if not warehouse.exists:
        return [], frozenset()
    with warehouse.open() as connection:
        return read_health(connection), frozenset(each.describe() for each in read_schema_changes(connection))


def decode_alert_state(cursor: str | None) -> AlertState:
    """Read the sensor's cursor; an empty state if another version wrote it."""
    try:
        return msgspec.json.decode(cursor or "{}", type=AlertState)
    except msgspec.DecodeError:
        return AlertState()
