"""The evaluations of the asset checks: what each check finds, and the tables of hotels that it lists.

One evaluation is for all hotels. It lists the hotels in which something is wrong, the first ones where there are many.
The job `refresh` reports evaluations between its steps, and a run of a check reports them too (`checks`). Add the
evaluation of a new check here, and its spec in `checks`. What is counted is in `warehouse/checks`,
`ingestion/comparing` and `bi/quality`.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
)

from pso_pipeline.bi.errors import NothingPublished
from pso_pipeline.bi.folder import Snapshot, current_snapshot, snapshot_before
from pso_pipeline.bi.quality import (
    Collapse,
    ImpossibleRate,
    PublishedHotel,
    find_collapses,
    find_differences,
    find_impossible_rates,
    read_hotels,
)
from pso_pipeline.contract import endpoints
from pso_pipeline.contract.endpoints import ENDPOINTS, PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.contract.marts import AGG_CANCELLATION_CURVE, AGG_ORDERS_DAILY, FCT_PRODUCT_SERVICE_ORDERS
from pso_pipeline.ingestion.answering import why_silent
from pso_pipeline.ingestion.comparing import Comparison, compare_with_source
from pso_pipeline.mews.retry import BRIEF
from pso_pipeline.orchestration.asset_keys import ENTERPRISES, METRICS, ORDERS, SNAPSHOT
from pso_pipeline.orchestration.metadata import Cells, hotels_table
from pso_pipeline.orchestration.resources import PipelineResource, one_line_failures
from pso_pipeline.text import for_markdown
from pso_pipeline.warehouse.checks.evaluate import HotelCount, Verdict, evaluate_derived, evaluate_landed
from pso_pipeline.warehouse.checks.readings import (
    Rejection,
    RepeatedId,
    Volume,
    count_missing_orders,
    read_computed_orders,
    read_rejections,
    read_repeated_ids,
    read_volumes,
)
from pso_pipeline.warehouse.reading import EnterpriseStatus, read_enterprises, read_status, state_of

API_SECONDS = 25.0
"""Timeout of the small request that asks whether the API answers."""

SAMPLED_HOTELS = 5
"""Hotels that are compared with the source at a time; each costs one or two requests."""

SAMPLED_EVERY = timedelta(hours=1)
"""Refreshes compare hotels with the source no more often than this."""

NAMED = 3
"""Hotels that a description names; the table lists more."""

FIGURES = frozenset({FCT_PRODUCT_SERVICE_ORDERS.name, AGG_ORDERS_DAILY.name, AGG_CANCELLATION_CURVE.name})
"""Tables of the snapshot from which totals and rates are computed."""

ERROR, WARN = AssetCheckSeverity.ERROR, AssetCheckSeverity.WARN

FRESH = "hotels_are_fresh"
COUNTS_MATCH = "counts_match_the_source"
VOLUMES = "volumes_are_usual"
IDS = "ids_are_unique"
API_ANSWERS = "api_answers"
READABLE = "records_are_readable"
RECENT = "data_are_recent"
ALL_PUBLISHED = "hotels_are_published"
TOTALS = "totals_match_the_warehouse"
COLLAPSE = "orders_do_not_collapse"
SHARES = "rates_are_between_0_and_1"

_STATES_BY_URGENCY = ("failing", "never read", "stale", "fresh")


def evaluate_enterprises(pipeline: PipelineResource) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the list of hotels, except whether the API answers."""
    with one_line_failures(), pipeline.warehouse().open() as connection:
        return _evaluate_listing(connection, endpoints.ENTERPRISES)


def evaluate_services(pipeline: PipelineResource) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the list of services."""
    with one_line_failures(), pipeline.warehouse().open() as connection:
        return _evaluate_listing(connection, endpoints.SERVICES)


def evaluate_api(pipeline: PipelineResource) -> AssetCheckEvaluation:
    """Send a small request to the API and evaluate whether it answers."""
    with one_line_failures():
        return api_evaluation(pipeline.with_api(lambda api: why_silent(api, seconds=API_SECONDS), BRIEF))


def api_evaluation(problem: str | None) -> AssetCheckEvaluation:
    """Make the evaluation that the API answers, or the reason why it does not."""
    return _evaluation(
        ENTERPRISES,
        API_ANSWERS,
        passed=problem is None,
        description=problem or "the API answers",
        metadata={},
    )


def read_api_problem(instance: DagsterInstance) -> str | None:
    """Return why the API did not answer when it was last asked; None where it did, or was never asked."""
    record = instance.get_latest_asset_check_evaluation_record(AssetCheckKey(ENTERPRISES, API_ANSWERS))
    event = record.event.dagster_event if record and record.event else None
    # a check that a run has yet to evaluate has a record without an outcome
    if event is None or event.event_type is not DagsterEventType.ASSET_CHECK_EVALUATION:
        return None
    found = event.asset_check_evaluation_data
    return None if found.passed else found.description or "no reason is known"


def evaluate_records(
    pipeline: PipelineResource,
    enterprise_ids: Collection[str] | None = None,
    endpoint: Endpoint = PRODUCT_SERVICE_ORDERS,
) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the landed records of an endpoint, except the comparison with the source.

    The rules are counted again for the hotels `enterprise_ids` and for those that changed since the last evaluation.
    """
    with one_line_failures():
        stale_after = timedelta(hours=pipeline.settings().pso_stale_after_hours)
        with pipeline.warehouse().open() as connection:
            verdicts = evaluate_landed(connection, enterprise_ids, [endpoint])
            return _evaluate_records(connection, endpoint, stale_after, verdicts)


def evaluate_landed_tables(pipeline: PipelineResource) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the tables of all endpoints, the rules for the hotels that changed."""
    with one_line_failures():
        stale_after = timedelta(hours=pipeline.settings().pso_stale_after_hours)
        with pipeline.warehouse().open() as connection:
            verdicts = evaluate_landed(connection, endpoints=[each for each in ENDPOINTS if each.keeps_versions])
            found = [
                _evaluate_records(connection, endpoint, stale_after, verdicts)
                if endpoint.keeps_versions
                else _evaluate_listing(connection, endpoint)
                for endpoint in ENDPOINTS
            ]
    return [each for evaluations in found for each in evaluations]


def evaluate_counts(pipeline: PipelineResource, enterprise_ids: Collection[str]) -> list[AssetCheckEvaluation]:
    """Compare the latest orders of some hotels with the source; no evaluation where none of them can be compared."""
    if not enterprise_ids:
        return []
    with one_line_failures():
        warehouse = pipeline.warehouse()
        overlap = timedelta(minutes=pipeline.settings().pso_overlap_minutes)
        compared = pipeline.with_api(lambda api: compare_with_source(api, warehouse, enterprise_ids, overlap), BRIEF)
    return [_comparisons(compared)] if compared else []


def evaluate_metrics(
    pipeline: PipelineResource, enterprise_ids: Collection[str] | None = None
) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the marts; `enterprise_ids` as in `evaluate_records`."""
    with one_line_failures(), pipeline.warehouse().open() as connection:
        verdicts = evaluate_derived(connection, enterprise_ids)
        volumes = read_volumes(connection)
    return [*(_verdict(METRICS, verdict) for verdict in verdicts), _volumes(volumes)]


def evaluate_snapshot(
    pipeline: PipelineResource, rewritten: Collection[str] | None = None
) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the published snapshot.

    `rewritten` names the tables that the last publication changed. Where none of them has figures, only the age of the
    data and the hotels that are published are evaluated. None evaluates every check.
    """
    with one_line_failures():
        settings = pipeline.settings()
        stale_after = timedelta(hours=settings.pso_stale_after_hours)
        try:
            snapshot = current_snapshot(settings.pso_bi_dir)
        except NothingPublished as error:
            return [_evaluation(SNAPSHOT, RECENT, passed=False, description=str(error), metadata={})]
        hotels = read_hotels(snapshot)
        found = [_recent(hotels, datetime.now(UTC), stale_after), _all_published(snapshot, hotels)]
        if rewritten is not None and not FIGURES.intersection(rewritten):
            return found
        before = snapshot_before(settings.pso_bi_dir)
        collapses = find_collapses(hotels, read_hotels(before)) if before else []
        with pipeline.warehouse().open() as connection:
            computed = read_computed_orders(connection)
            missing = count_missing_orders(connection, [each.hotel.enterprise_id for each in collapses])
        keys = {hotel.enterprise_id: hotel.partition_key for hotel in hotels}
        return [
            *found,
            _totals(find_differences(snapshot, hotels, computed), hotels),
            _collapses([each for each in collapses if each.lost > missing.get(each.hotel.enterprise_id, 0)], before),
            _shares(find_impossible_rates(snapshot, keys), hotels),
        ]


def sample_hotels(pipeline: PipelineResource, instance: DagsterInstance | None = None) -> list[str]:
    """Choose random hotels to compare with the source, by id; none if `instance` has a comparison of the last hour."""
    if instance is not None:
        last = instance.get_latest_asset_check_evaluation_record(AssetCheckKey(ORDERS, COUNTS_MATCH))
        if last and datetime.now(UTC).timestamp() - last.create_timestamp < SAMPLED_EVERY.total_seconds():
            return []
    with one_line_failures(), pipeline.warehouse().open() as connection:
        known = [each.enterprise_id for each in read_enterprises(connection) if each.is_in_scope]
    return random.sample(known, min(SAMPLED_HOTELS, len(known)))


def _evaluate_listing(connection: duckdb.DuckDBPyConnection, endpoint: Endpoint) -> list[AssetCheckEvaluation]:
    asset = AssetKey(endpoint.name)
    repeated = [each for each in read_repeated_ids(connection) if each.table == endpoint.name]
    return [_unique(asset, repeated), _readable(asset, read_rejections(connection, endpoint))]


def _evaluate_records(
    connection: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    stale_after: timedelta,
    verdicts: Iterable[Verdict],
) -> list[AssetCheckEvaluation]:
    asset = AssetKey(endpoint.name)
    found = [
        *(_verdict(asset, verdict) for verdict in verdicts if verdict.rule.endpoint == endpoint),
        _readable(asset, read_rejections(connection, endpoint)),
    ]
    if endpoint is PRODUCT_SERVICE_ORDERS:
        found.append(_freshness(read_status(connection), datetime.now(UTC), stale_after))
    return found


def _evaluation(
    asset: AssetKey,
    name: str,
    *,
    passed: bool,
    description: str,
    metadata: Mapping[str, Any],
    severity: AssetCheckSeverity = ERROR,
) -> AssetCheckEvaluation:
    return AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=passed,
        severity=severity,
        description=for_markdown(description),
        metadata=metadata,
    )


def _table(name: str, rows: Sequence[Cells]) -> dict[str, Any]:
    return {name: hotels_table(rows)} if rows else {}


def _unique(asset: AssetKey, repeated: Sequence[RepeatedId]) -> AssetCheckEvaluation:
    rows: list[Cells] = [{"hotel": each.partition_key, "found": each.reason} for each in repeated]
    return _evaluation(
        asset,
        IDS,
        passed=not repeated,
        description="; ".join(f"{each.partition_key}: {each.reason}" for each in repeated[:NAMED])
        or "each is stored once",
        metadata={"repeated": len(repeated), **_table("hotels", rows)},
    )


def _readable(asset: AssetKey, rejections: Sequence[Rejection]) -> AssetCheckEvaluation:
    records = sum(each.records for each in rejections)
    reasons: list[Cells] = [
        {
            "reason": each.reason,
            "records": each.records,
            "latest": each.latest_utc.isoformat(timespec="seconds"),
            "for_example": each.for_example,
        }
        for each in rejections
    ]
    return _evaluation(
        asset,
        READABLE,
        passed=not records,
        description=f"{records:,} records could not be read: {rejections[0].reason}"
        if records
        else "all could be read",
        metadata={"rejected_records": records, **_table("reasons", reasons)},
        severity=WARN,
    )


def _verdict(asset: AssetKey, verdict: Verdict) -> AssetCheckEvaluation:
    shown = verdict.broken_in or verdict.found_in
    rows: list[Cells] = [
        {
            "hotel": each.partition_key,
            "violations": each.violations,
            "checked": each.checked,
            "found": each.detail,
        }
        for each in shown
    ]
    return _evaluation(
        asset,
        verdict.rule.name,
        passed=not verdict.violations,
        description=_describe(verdict, shown),
        metadata={
            f"{verdict.rule.records.replace(' ', '_')}_checked": verdict.checked,
            "violations": verdict.violations,
            "hotels_with_violations": len(verdict.found_in),
            "hotels": verdict.hotels,
            "hotels_counted_now": verdict.counted_now,
            **_table("worst_hotels", rows),
        },
        severity=ERROR if verdict.broken_in else WARN,
    )


def _describe(verdict: Verdict, shown: Sequence[HotelCount]) -> str:
    if not shown:
        return f"holds for {verdict.checked:,} {verdict.rule.records} of {verdict.hotels:,} hotels"
    first, violations = shown[0], sum(each.violations for each in shown)
    return (
        f"{violations:,} {verdict.rule.records} in {len(shown):,} hotel(s), such as {first.partition_key}: "
        f"{first.violations:,} of {first.checked:,}" + (f" ({first.detail})" if first.detail else "")
    )


def _freshness(status: Sequence[EnterpriseStatus], now: datetime, stale_after: timedelta) -> AssetCheckEvaluation:
    states = [(state_of(each, now, stale_after), each) for each in status if each.is_in_scope and each.services]
    not_fresh = sorted(
        ((state, each) for state, each in states if state != "fresh"),
        key=lambda pair: (_STATES_BY_URGENCY.index(pair[0]), pair[1].partition_key),
    )
    counts = Counter(state for state, _ in states)
    rows: list[Cells] = [
        {
            "hotel": each.partition_key,
            "state": state,
            "read_until": _utc(each.watermark_utc) if each.watermark_utc else None,
            "reason": each.last_error,
        }
        for state, each in not_fresh
    ]
    return _evaluation(
        ORDERS,
        FRESH,
        passed=not not_fresh,
        description="; ".join(
            f"{each.partition_key} is {state}" + (f": {each.last_error}" if each.last_error else "")
            for state, each in not_fresh[:NAMED]
        )
        or f"all {len(states):,} hotels in scope are fresh",
        metadata={
            "hotels_in_scope": len(states),
            **{state.replace(" ", "_"): counts[state] for state in _STATES_BY_URGENCY},
            "stale_after_hours": stale_after.total_seconds() / 3600,
            **_table("hotels", rows),
        },
    )


def _comparisons(compared: Sequence[Comparison]) -> AssetCheckEvaluation:
    differing = [each for each in compared if each.counts.missing]
    at_source, missing = (
        sum(each.counts.at_source for each in compared),
        sum(each.counts.missing for each in compared),
    )
    rows: list[Cells] = [
        {
            "hotel": each.partition_key,
            "missing_or_outdated": each.counts.missing,
            "orders_at_source": each.counts.at_source,
            "orders_in_warehouse": each.counts.in_warehouse,
            "changed_or_gone_since": each.counts.changed_or_gone,
            "from": _utc(each.window.start_utc),
            "to": _utc(each.window.end_utc),
        }
        for each in sorted(compared, key=lambda each: -each.counts.missing)
    ]
    return _evaluation(
        ORDERS,
        COUNTS_MATCH,
        passed=not missing,
        description=(
            f"{missing:,} of {at_source:,} orders of {len(compared)} hotels are missing here or outdated: "
            + ", ".join(each.partition_key for each in differing[:NAMED])
            if missing
            else f"all {at_source:,} orders that were compared, of {len(compared)} hotels, are here"
        ),
        metadata={
            "orders_at_source": at_source,
            "missing_or_outdated": missing,
            **_table("compared_hotels", rows),
        },
    )


def _volumes(volumes: Sequence[Volume]) -> AssetCheckEvaluation:
    unusual = [each for each in volumes if not each.is_usual]
    rows: list[Cells] = [
        {
            "hotel": each.partition_key,
            "change": _change(each),
            "orders_of_last_7_days": each.orders,
            "until": str(each.last_day),
            "usual_orders_a_week": each.usual,
            "lowest_expected": round(each.lowest, 1),
            "highest_expected": round(each.highest, 1),
        }
        for each in unusual
    ]
    return _evaluation(
        METRICS,
        VOLUMES,
        passed=not unusual,
        description="; ".join(
            f"{each.partition_key}: {_change(each)}, {each.orders:,} orders in the 7 days to {each.last_day}, "
            f"{each.usual:,.0f} are usual"
            for each in unusual[:NAMED]
        )
        or (f"usual in all {len(volumes):,} hotels" if volumes else "no hotel has 9 weeks of history yet"),
        metadata={
            "hotels_with_history": len(volumes),
            "hotels_with_too_few_orders_to_judge": sum(not each.is_judged for each in volumes),
            "unusual_hotels": len(unusual),
            **_table("hotels", rows),
        },
        severity=WARN,
    )


def _change(volume: Volume) -> str:
    return "a sudden drop" if volume.orders < volume.usual else "a sudden jump"


def _recent(hotels: Sequence[PublishedHotel], now: datetime, stale_after: timedelta) -> AssetCheckEvaluation:
    dated = sorted(
        (each.as_of_utc, each.partition_key) for each in hotels if each.is_in_scope and each.as_of_utc is not None
    )
    if not dated:
        return _evaluation(
            SNAPSHOT, RECENT, passed=False, description="no hotel in scope has any figures yet", metadata={}
        )
    (oldest, key), age = dated[0], now - dated[0][0]
    is_ahead = dated[-1][0] > now + timedelta(days=1)
    rows: list[Cells] = [
        {"hotel": hotel, "as_of": _utc(as_of), "age_hours": _hours(now - as_of)} for as_of, hotel in dated
    ]
    return _evaluation(
        SNAPSHOT,
        RECENT,
        passed=age <= stale_after / 2 and not is_ahead,
        description=(
            f"{dated[-1][1]} has figures as of {_utc(dated[-1][0])}, which lies in the future"
            if is_ahead
            else f"the data are {_hours(age):,} hours old: {key} has figures as of {_utc(oldest)}"
        ),
        metadata={
            "age_hours": _hours(age),
            "stale_after_hours": stale_after.total_seconds() / 3600,
            **_table("oldest_hotels", rows),
        },
        severity=ERROR if age > stale_after or is_ahead else WARN,
    )


def _hours(age: timedelta) -> float:
    return round(max(age.total_seconds(), 0) / 3600, 2)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _all_published(snapshot: Snapshot, hotels: Sequence[PublishedHotel]) -> AssetCheckEvaluation:
    held_back = snapshot.manifest.held_back
    in_scope = {each.partition_key: each for each in hotels if each.is_in_scope}
    unread = sorted(key for key, each in in_scope.items() if each.as_of_utc is None and key not in held_back)
    problems = [*held_back.items(), *((key, "it was never read to its end") for key in unread)]
    rows: list[Cells] = [{"hotel": key, "reason": reason} for key, reason in problems]
    return _evaluation(
        SNAPSHOT,
        ALL_PUBLISHED,
        passed=not problems,
        description=(
            f"{len(held_back):,} hotel(s) held back and {len(unread):,} never read to their end, such as "
            f"{problems[0][0]}: {problems[0][1]}"
            if problems
            else f"all {len(in_scope):,} hotels in scope have their newest figures"
        ),
        metadata={
            "hotels_in_scope": len(in_scope),
            "held_back": len(held_back),
            "never_read": len(unread),
            **_table("hotels", rows),
        },
        severity=ERROR if held_back else WARN,
    )


def _totals(differences: Sequence[str], hotels: Sequence[PublishedHotel]) -> AssetCheckEvaluation:
    orders = sum(hotel.orders for hotel in hotels)
    return _evaluation(
        SNAPSHOT,
        TOTALS,
        passed=not differences,
        description="; ".join(differences[:NAMED]) or f"{orders:,} orders of {len(hotels):,} hotels",
        metadata={
            "orders": orders,
            "hotels": len(hotels),
            "differences": len(differences),
            **_table("differing", [{"difference": each} for each in differences]),
        },
    )


def _collapses(collapses: Sequence[Collapse], before: Snapshot | None) -> AssetCheckEvaluation:
    since = f"since {_utc(before.manifest.published_utc)}" if before else "yet: it is the first snapshot"
    rows: list[Cells] = [
        {"hotel": each.hotel.partition_key, "orders": each.hotel.orders, "orders_before": each.orders_before}
        for each in collapses
    ]
    return _evaluation(
        SNAPSHOT,
        COLLAPSE,
        passed=not collapses,
        description="; ".join(
            f"{each.hotel.partition_key} has {each.hotel.orders:,} orders and had {each.orders_before:,}"
            for each in collapses[:NAMED]
        )
        or f"no hotel has lost orders {since}",
        metadata={"hotels_that_lost_orders": len(collapses), **_table("hotels", rows)},
    )


def _shares(impossible: Sequence[ImpossibleRate], hotels: Sequence[PublishedHotel]) -> AssetCheckEvaluation:
    rows: list[Cells] = [{"hotel": each.partition_key, "rate": each.rate, "value": each.value} for each in impossible]
    return _evaluation(
        SNAPSHOT,
        SHARES,
        passed=not impossible,
        description="; ".join(f"{each.rate} of {each.partition_key} is {each.value:g}" for each in impossible[:NAMED])
        or f"all rates of {len(hotels):,} hotels do",
        metadata={"impossible_rates": len(impossible), **_table("hotels", rows)},
    )
