"""Messages: one when something newly fails, one when it has recovered; not one for each run, hotel or cause of a cause.

What was said is remembered in the sensor's cursor. Spoken of are hotels, grouped by the cause of their failure, which
the warehouse holds; hotels that a check holds back from the snapshot; the API, which is asked here whether it answers
at all; the pipeline, where a refresh ended before anything could be published; and refreshes, where none has ended for
long. How a message is delivered is in `messages`.
"""

from collections.abc import Collection, Mapping
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
from pso_pipeline.orchestration.outcomes import Ended, read_last_ended
from pso_pipeline.orchestration.queue import Wanted, request_refresh
from pso_pipeline.orchestration.resources import PipelineResource
from pso_pipeline.settings import SettingsError
from pso_pipeline.text import for_markdown
from pso_pipeline.warehouse.errors import WarehouseError
from pso_pipeline.warehouse.reading import EnterpriseHealth, read_health

ALERTS_SECONDS = 15
"""Two evaluations in a row that get no answer are an outage, which is to be said within two minutes."""

WAREHOUSE_SECONDS = 5.0

API_SECONDS = 25.0
"""An API that takes longer for one hotel does not answer. Dagster ends an evaluation after 60 s."""

SETTLING = timedelta(minutes=10)
"""After an outage of the API, for refreshes to read the hotels again that failed because of it."""

SHORTEST_SILENCE = timedelta(hours=2)
"""A refresh ends each hour at the least, by default."""

LONGEST_PAUSE = timedelta(minutes=5)
"""Between two evaluations; after a longer one this machine or the daemon was off, and nothing could end meanwhile."""

PIPELINE_ID, API_ID, REFRESHES_ID = "pipeline", "api", "refreshes"
"""Stand where a hotel's id does, in what is said of the whole."""

MAX_UNDELIVERED = 1_000
"""Messages kept for a webhook that does not answer. The oldest go first."""


class Told(msgspec.Struct, frozen=True):
    """What was said so far, and what is needed to say the next.

    `failing` holds the hotels that fail and were spoken of, by id, and the whole, each with the reason; `held_back` the
    hotels whose newest figures a check holds back, likewise; `unspoken` the hotels that fail because of an outage of
    the API, which is one message; `undelivered` what the webhook has yet to get. The API gave no answer from
    `silent_utc` on, and answered again at `answered_utc`. The last evaluation was at `evaluated_utc`, and this machine
    has been on since `watching_utc`.
    """

    failing: dict[str, str] = {}
    held_back: dict[str, str] = {}
    unspoken: frozenset[str] = frozenset()
    undelivered: tuple[Message, ...] = ()
    silent_utc: datetime | None = None
    answered_utc: datetime | None = None
    evaluated_utc: datetime | None = None
    watching_utc: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to say, what fails after that and was spoken of, by id, with the reason, and the hotels not spoken of."""

    messages: tuple[Message, ...]
    failing: dict[str, str]
    unspoken: frozenset[str] = frozenset()


def decide_on_messages(
    health: Collection[EnterpriseHealth],
    failing: Mapping[str, str],
    unspoken: Collection[str] = (),
    *,
    in_outage: bool = False,
    events: tuple[str, str] = ("hotel_failing", "hotel_recovered"),
) -> Decision:
    """Say what is new, one message for each cause: hotels that fail and did not, and those of `failing` that recovered.

    A hotel that fails for another reason than before is not new, and one that went out of scope has not recovered.
    `in_outage` leaves hotels that fail now unspoken; `events` are those of the two kinds of messages.
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
    kept = frozenset(new) | (frozenset(unspoken) & failed.keys()) if in_outage else frozenset()
    return Decision(tuple(messages), still_failing, kept)


def _hotel(each: EnterpriseHealth) -> Hotel:
    return Hotel(each.partition_key, each.enterprise_id, each.name or each.partition_key)


def decide_on(identifier: str, problem: str | None, failing: Mapping[str, str]) -> Decision:
    """Say what is new of the pipeline, the API or the refreshes as a whole."""
    reason = failing.get(identifier)
    if problem is not None:
        messages = (Message(f"{identifier}_failing", problem),) if reason is None else ()
        return Decision(messages, {identifier: reason or problem})
    return Decision((Message(f"{identifier}_recovered", reason),) if reason is not None else (), {})


def find_silence(last: Ended | None, watching: datetime, now: datetime, stale_after: timedelta) -> str | None:
    """Tell since when no refresh has ended, where that is too long ago for a machine that has been on all the time."""
    since = max(last.ended_utc, watching) if last else watching
    if now - since <= max(SHORTEST_SILENCE, stale_after):
        return None
    ended = f"{last.ended_utc:%Y-%m-%d %H:%M} UTC" if last else "the first start"
    return f"Nothing finished since {ended}: no refresh has ended, look at the runs under way and at the queue"


def watch_api(told: Told, silence: str | None, now: datetime) -> Told:
    """Note whether the API answers now, `silence` being why it does not."""
    if silence is not None:
        return msgspec.structs.replace(told, silent_utc=told.silent_utc or now)
    answered = now if told.silent_utc else told.answered_utc
    return msgspec.structs.replace(told, silent_utc=None, answered_utc=answered)


@sensor(
    job=refresh,
    minimum_interval_seconds=ALERTS_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description=(
        "Says once what fails, and once that it has recovered: hotels, by cause; the API, when it does not answer; "
        "the pipeline, when nothing is published or no refresh ends."
    ),
)
def hotel_alerts(context: SensorEvaluationContext, pipeline: PipelineResource) -> SensorResult | SkipReason:
    """Ask the API whether it answers, look how every hotel and the last refresh went, and say what is new."""
    now, before = datetime.now(UTC), decode_told(context.cursor)
    try:
        settings = pipeline.settings()
        silence = pipeline.with_api(lambda api: why_silent(api, seconds=API_SECONDS), BRIEF)
    except SettingsError as error:
        return SkipReason(str(error))
    told = watch_api(before, silence, now)
    is_outage = silence is not None and (before.silent_utc is not None or API_ID in before.failing)
    of_api = decide_on(API_ID, silence if is_outage else None, before.failing)
    in_outage = silence is not None or (told.answered_utc is not None and now - told.answered_utc < SETTLING)
    hotels_failing = {
        identifier: reason
        for identifier, reason in before.failing.items()
        if identifier not in {PIPELINE_ID, API_ID, REFRESHES_ID}
    }
    try:
        health, unread = _read_health(pipeline), None
        of_hotels = decide_on_messages(health, hotels_failing, told.unspoken, in_outage=in_outage)
        of_publication = _decide_on_publication(settings.pso_bi_dir, health, told.held_back)
    except WarehouseError as error:
        of_hotels, unread = Decision((), hotels_failing, told.unspoken), str(error)
        of_publication = Decision((), told.held_back)
    last = read_last_ended(context.instance)
    was_off = before.evaluated_utc is None or now - before.evaluated_utc > LONGEST_PAUSE
    watching = now if was_off or before.watching_utc is None else before.watching_utc
    stale_after = timedelta(hours=settings.pso_stale_after_hours)
    decisions = (
        of_api,
        decide_on(PIPELINE_ID, last.problem if last else None, before.failing),
        decide_on(REFRESHES_ID, find_silence(last, watching, now, stale_after), before.failing),
        of_hotels,
    )
    messages = [message for decision in (*decisions, of_publication) for message in decision.messages]
    for message in messages:
        context.log.warning("%s", for_markdown(message.text))
    undelivered = (*told.undelivered, *messages) if settings.pso_alert_webhook is not None else ()
    delivered, problem = deliver(str(settings.pso_alert_webhook), undelivered) if undelivered else (0, None)
    if problem:
        context.log.warning("%d message(s) will be posted later: %s", len(undelivered) - delivered, problem)
    following = msgspec.structs.replace(
        told,
        failing={identifier: reason for each in decisions for identifier, reason in each.failing.items()},
        held_back=of_publication.failing,
        unspoken=of_hotels.unspoken,
        undelivered=undelivered[delivered:][-MAX_UNDELIVERED:],
        evaluated_utc=now,
        watching_utc=watching,
    )
    outcome = f"{len(messages)} new message(s), {len(of_hotels.failing) + len(of_hotels.unspoken)} hotel(s) fail"
    # hotels turn red, and are read again, by a refresh alone
    request = request_refresh(context.instance, Wanted(), context.sensor_name) if of_api.messages else None
    return SensorResult(
        run_requests=[request] if request else [],
        skip_reason=None if request else "; ".join(filter(None, (outcome, silence, unread, problem))),
        cursor=msgspec.json.encode(following).decode(),
        asset_events=_news_of_api(context.instance, silence if is_outage else None, is_certain=silence is None),
    )


def _news_of_api(instance: DagsterInstance, problem: str | None, *, is_certain: bool) -> list[AssetCheckEvaluation]:
    """Show in the web UI whether the API answers, where that is news; an answer is certain, one without is not yet."""
    shown = read_api_problem(instance)
    if (problem is None) == (shown is None) or (problem is None and not is_certain):
        return []
    return [api_evaluation(problem)]


def _decide_on_publication(
    bi_dir: Path, health: Collection[EnterpriseHealth], held_back: Mapping[str, str]
) -> Decision:
    """Say which hotels a check newly holds back from the snapshot, and which are published again."""
    try:
        now_held_back = read_manifest(bi_dir).held_back
    except SnapshotError:
        return Decision((), dict(held_back))
    published = [replace(each, last_error=now_held_back.get(each.partition_key)) for each in health]
    return decide_on_messages(published, held_back, events=("hotel_held_back", "hotel_published_again"))


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
