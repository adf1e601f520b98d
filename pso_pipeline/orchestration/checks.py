"""What must hold: the asset checks, and their evaluation in runs of assets and in the `refresh` job alike.

Add a check as a spec here, with what it counts in `warehouse/checks` or `ingestion/comparing`. An evaluation costs as
much as what changed: rules look at hotels whose orders changed, and of a partitioned check a run reports what is wrong,
what has recovered, and a few of the others.
"""

import random
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetRecordsFilter,
    AssetsDefinition,
    DagsterEventType,
    DagsterInstance,
    MetadataValue,
    PreviewWarning,
    multi_asset_check,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckPartitionInfo,
)

from pso_pipeline.bi.errors import NothingPublished
from pso_pipeline.bi.folder import Snapshot, current_snapshot, snapshot_before
from pso_pipeline.bi.quality import (
    COLLAPSED_ORDERS,
    COLLAPSED_SHARE,
    Collapse,
    ImpossibleRate,
    PublishedHotel,
    find_collapses,
    find_differences,
    find_impossible_rates,
    read_hotels,
)
from pso_pipeline.contract.endpoints import ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES
from pso_pipeline.contract.limits import MAX_COUNT
from pso_pipeline.contract.marts import AGG_CANCELLATION_CURVE, AGG_ORDERS_DAILY, FCT_PRODUCT_SERVICE_ORDERS
from pso_pipeline.ingestion.answering import why_silent
from pso_pipeline.ingestion.comparing import Comparison, compare_with_source
from pso_pipeline.mews.retry import BRIEF
from pso_pipeline.orchestration.assets import (
    bi_snapshot,
    check_in_cancellation_metrics,
    enterprise_ids_of,
    enterprises,
    product_service_orders,
    services,
)
from pso_pipeline.orchestration.metadata import shown_record
from pso_pipeline.orchestration.partitions import ENTERPRISE_PARTITIONS
from pso_pipeline.orchestration.resources import PipelineResource, one_line_failures
from pso_pipeline.text import for_markdown
from pso_pipeline.warehouse.checks.evaluate import Verdict, evaluate_derived, evaluate_landed
from pso_pipeline.warehouse.checks.readings import (
    Rejection,
    ScopeIds,
    Volume,
    count_missing_orders,
    count_scope_ids,
    read_computed_orders,
    read_rejections,
    read_volumes,
)
from pso_pipeline.warehouse.checks.rules import DERIVED_RULES, LANDED_RULES, Rule
from pso_pipeline.warehouse.reading import EnterpriseStatus, read_enterprises, read_status, state_of

# Partitioned checks are in preview in Dagster 1.13; the web UI shows them, and storage keeps them, like any other.
warnings.filterwarnings("ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=PreviewWarning)

SHOWN_HOTELS = 20
"""Hotels listed in the metadata of a check, the worst first."""

REPORTED_PASSES = 20
"""Partitions that a run newly reports as passing a check, beyond those that have recovered: an event takes about 10 ms,
and the first load of thousands of hotels would spend minutes on saying that all is well."""

API_SECONDS = 25.0
"""For the API to answer a small request."""

SAMPLED_HOTELS = 5
"""Hotels compared with the source at a time, at the cost of a request or two each."""

SAMPLED_EVERY = timedelta(hours=1)
"""How often a refresh compares some hotels with the source."""

FIGURES = frozenset({FCT_PRODUCT_SERVICE_ORDERS.name, AGG_ORDERS_DAILY.name, AGG_CANCELLATION_CURVE.name})
"""Tables of the snapshot whose change can change totals and rates."""

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

_READABLE_DESCRIPTION = (
    "Every record that the API sent could be read. Others are kept in mews.rejected_records; one that could be read "
    "later no longer counts."
)


def _rule_spec(rule: Rule, asset: AssetsDefinition) -> AssetCheckSpec:
    return AssetCheckSpec(rule.name, asset=asset, description=rule.description)


ENTERPRISES_SPECS = (
    AssetCheckSpec(
        IDS,
        asset=enterprises,
        description="Every hotel is there once, under a partition key of its own. Others are not published again.",
    ),
    AssetCheckSpec(READABLE, asset=enterprises, description=_READABLE_DESCRIPTION),
    AssetCheckSpec(
        API_ANSWERS,
        asset=enterprises,
        description="The API answers at all. Asked by each refresh and, all the time, by the sensor `hotel_alerts`.",
    ),
)
SERVICES_SPECS = (
    AssetCheckSpec(
        IDS,
        asset=services,
        description="Every service is there once. The hotels of others are not published again.",
    ),
    AssetCheckSpec(READABLE, asset=services, description=_READABLE_DESCRIPTION),
)
ORDERS_SPECS = (
    *(_rule_spec(rule, product_service_orders) for rule in LANDED_RULES),
    AssetCheckSpec(READABLE, asset=product_service_orders, description=_READABLE_DESCRIPTION),
    AssetCheckSpec(
        FRESH,
        asset=product_service_orders,
        partitions_def=ENTERPRISE_PARTITIONS,
        description="The hotel was read without a failure and not too long ago (PSO_STALE_AFTER_HOURS).",
    ),
    AssetCheckSpec(
        COUNTS_MATCH,
        asset=product_service_orders,
        partitions_def=ENTERPRISE_PARTITIONS,
        description=(
            f"The source has no order that is missing here. Of {SAMPLED_HOTELS} hotels picked at random each hour, the "
            f"{MAX_COUNT:,} orders that changed last (of 89 days at most) are read again and compared."
        ),
    ),
)
METRICS_SPECS = (
    *(_rule_spec(rule, check_in_cancellation_metrics) for rule in DERIVED_RULES),
    AssetCheckSpec(
        VOLUMES,
        asset=check_in_cancellation_metrics,
        partitions_def=ENTERPRISE_PARTITIONS,
        description=(
            "The hotel's last 7 complete days brought about as many orders as each of its 8 weeks before. Less than "
            "half or more than twice as many, and further from the median than 4 times the usual spread, is a warning."
        ),
    ),
)
SNAPSHOT_SPECS = (
    AssetCheckSpec(
        RECENT,
        asset=bi_snapshot,
        description=(
            "The published data are not too old. Their age is that of the oldest hotel in scope: more than half of "
            "PSO_STALE_AFTER_HOURS is a warning, more than all of it an error."
        ),
    ),
    AssetCheckSpec(
        ALL_PUBLISHED,
        asset=bi_snapshot,
        description=(
            "Every hotel in scope is published with its newest figures. One that a check holds back is an error, one "
            "that was never read to its end a warning."
        ),
    ),
    AssetCheckSpec(
        TOTALS,
        asset=bi_snapshot,
        description="The orders in the snapshot are those of the warehouse, for each hotel and in each file.",
    ),
    AssetCheckSpec(
        COLLAPSE,
        asset=bi_snapshot,
        description=(
            f"No hotel has lost orders without a reason since the snapshot before. More than {COLLAPSED_ORDERS} and "
            f"{COLLAPSED_SHARE:.0%} of them are an error, unless the source no longer has them."
        ),
    ),
    AssetCheckSpec(
        SHARES,
        asset=bi_snapshot,
        description=(
            "Every rate of every hotel lies between 0 and 1. Quotients of two flows, which may pass 1, are left out."
        ),
    ),
)


class ShownStates:
    """What the web UI shows of the partitions of checks, read once for each check."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        self._of_check: dict[AssetCheckKey, dict[str | None, AssetCheckPartitionInfo]] = {}

    def of(self, check: AssetCheckKey) -> Mapping[str | None, AssetCheckPartitionInfo]:
        """Give the latest evaluation of each partition of a check that has any."""
        if check not in self._of_check:
            infos = self._instance.event_log_storage.get_asset_check_partition_info([check])
            self._of_check[check] = {info.partition_key: info for info in infos}
        return self._of_check[check]

    def news(self, check: AssetCheckKey, passed: Mapping[str, bool]) -> list[str]:
        """Choose the partitions that a refresh reports, of those it looked at and whether each passed.

        These are what fails anew or on newer orders, what has recovered, and up to `REPORTED_PASSES` of those whose
        pass is not yet shown.
        """
        changed: list[str] = []
        passes: list[str] = []
        for partition, has_passed in passed.items():
            info = self.of(check).get(partition)
            if info is None or not info.is_current or _has_passed(info) != has_passed:
                (passes if has_passed and (info is None or _has_passed(info)) else changed).append(partition)
        return [*changed, *passes[:REPORTED_PASSES]]


def evaluate_enterprises(pipeline: PipelineResource) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the list of hotels."""
    with one_line_failures(), pipeline.warehouse().open() as connection:
        return _evaluate_enterprises(connection, count_scope_ids(connection))


def evaluate_api(pipeline: PipelineResource) -> AssetCheckEvaluation:
    """Ask the API whether it answers."""
    with one_line_failures():
        return api_evaluation(pipeline.with_api(lambda api: why_silent(api, seconds=API_SECONDS), BRIEF))


def api_evaluation(problem: str | None) -> AssetCheckEvaluation:
    """Say that the API answers, or why it does not."""
    return _evaluation(
        enterprises.key,
        API_ANSWERS,
        passed=problem is None,
        description="the API answers" if problem is None else for_markdown(problem),
        metadata={},
    )


def evaluate_services(pipeline: PipelineResource) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the list of services."""
    with one_line_failures(), pipeline.warehouse().open() as connection:
        return _evaluate_services(connection, count_scope_ids(connection))


def evaluate_orders(
    pipeline: PipelineResource, enterprise_ids: Collection[str] | None = None
) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on landed orders: the rules, unreadable records, and how fresh each hotel is.

    With `enterprise_ids` these hotels are looked at, and the freshness is theirs; else the hotels that changed, and the
    freshness of all.
    """
    with one_line_failures():
        stale_after = timedelta(hours=pipeline.settings().pso_stale_after_hours)
        with pipeline.warehouse().open() as connection:
            return _evaluate_orders(connection, stale_after, enterprise_ids)


def evaluate_all_landed(pipeline: PipelineResource, shown: ShownStates) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on hotels, services and orders; of the freshness of hotels only what is news."""
    with one_line_failures():
        stale_after = timedelta(hours=pipeline.settings().pso_stale_after_hours)
        with pipeline.warehouse().open() as connection:
            ids = count_scope_ids(connection)
            return [
                *_evaluate_enterprises(connection, ids),
                *_evaluate_services(connection, ids),
                *_evaluate_orders(connection, stale_after, None, shown),
            ]


def evaluate_counts(pipeline: PipelineResource, enterprise_ids: Collection[str]) -> list[AssetCheckEvaluation]:
    """Compare the latest orders of some hotels with the source; a hotel that cannot be compared has no evaluation."""
    if not enterprise_ids:
        return []
    with one_line_failures():
        warehouse = pipeline.warehouse()
        overlap = timedelta(minutes=pipeline.settings().pso_overlap_minutes)
        compared = pipeline.with_api(lambda api: compare_with_source(api, warehouse, enterprise_ids, overlap), BRIEF)
    return [_comparison(each) for each in compared]


def evaluate_metrics(
    pipeline: PipelineResource, enterprise_ids: Collection[str] | None = None, shown: ShownStates | None = None
) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the marts: that they add up, and whether each hotel's volume is usual.

    `enterprise_ids` as in `evaluate_orders`; of the hotels' volumes only what is news beside what is `shown`.
    """
    check = AssetCheckKey(check_in_cancellation_metrics.key, VOLUMES)
    with one_line_failures(), pipeline.warehouse().open() as connection:
        verdicts = evaluate_derived(connection, enterprise_ids)
        volumes = {each.partition_key: each for each in _of(enterprise_ids, read_volumes(connection))}
    told = shown.news(check, {key: each.is_usual for key, each in volumes.items()}) if shown else volumes
    return [
        *(_verdict(check_in_cancellation_metrics.key, verdict) for verdict in verdicts),
        *(_volume(volumes[key]) for key in told),
    ]


def evaluate_snapshot(
    pipeline: PipelineResource, rewritten: Collection[str] | None = None
) -> list[AssetCheckEvaluation]:
    """Evaluate the checks on the snapshot that is published now.

    `rewritten` names the tables that the publication just before has changed: where none of them has orders, only the
    age of the data and which hotels are published are evaluated. None evaluates all.
    """
    with one_line_failures():
        settings = pipeline.settings()
        stale_after = timedelta(hours=settings.pso_stale_after_hours)
        try:
            snapshot = current_snapshot(settings.pso_bi_dir)
        except NothingPublished as error:
            return [_evaluation(bi_snapshot.key, RECENT, passed=False, description=str(error), metadata={})]
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


def sample_hotels(pipeline: PipelineResource, instance: DagsterInstance) -> list[str]:
    """Pick the hotels to compare with the source now, by id; none where some were compared within the last hour."""
    check = AssetCheckKey(product_service_orders.key, COUNTS_MATCH)
    last = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    if last and datetime.now(UTC).timestamp() - last[0].create_timestamp < SAMPLED_EVERY.total_seconds():
        return []
    with one_line_failures(), pipeline.warehouse().open() as connection:
        known = [each.enterprise_id for each in read_enterprises(connection) if each.is_in_scope]
    return random.sample(known, min(SAMPLED_HOTELS, len(known)))


def noteworthy(
    instance: DagsterInstance, evaluations: Sequence[AssetCheckEvaluation], shown: ShownStates | None = None
) -> Iterator[AssetCheckEvaluation]:
    """Choose what a refresh reports of its evaluations, and tie those of partitions to what they are about.

    Without partitions: all. With: what is news beside what is `shown`.
    """
    yield from (each for each in evaluations if each.partition is None)
    shown = shown or ShownStates(instance)
    by_check: dict[AssetCheckKey, dict[str, AssetCheckEvaluation]] = {}
    for each in evaluations:
        if each.partition is not None:
            by_check.setdefault(each.asset_check_key, {})[each.partition] = each
    for check, of_check in by_check.items():
        told = shown.news(check, {key: each.passed for key, each in of_check.items()})
        yield from _targeted(instance, [of_check[key] for key in told])


@multi_asset_check(specs=ENTERPRISES_SPECS, can_subset=True)
def enterprises_checks(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> Iterator[AssetCheckResult]:
    """Check the list of hotels."""
    yield from _selected(context, lambda: evaluate_enterprises(pipeline))
    yield from _selected(context, lambda: [evaluate_api(pipeline)], API_ANSWERS)


@multi_asset_check(specs=SERVICES_SPECS, can_subset=True)
def services_checks(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> Iterator[AssetCheckResult]:
    """Check the list of services."""
    yield from _selected(context, lambda: evaluate_services(pipeline))


@multi_asset_check(specs=ORDERS_SPECS, can_subset=True)
def product_service_orders_checks(
    context: AssetCheckExecutionContext, pipeline: PipelineResource
) -> Iterator[AssetCheckResult]:
    """Check landed orders, and compare those of the run's hotels with the source."""
    ids = _enterprise_ids_of_run(context, pipeline)
    yield from _selected(context, lambda: evaluate_orders(pipeline, ids))
    sample = random.sample(ids, min(SAMPLED_HOTELS, len(ids)))
    yield from _selected(context, lambda: evaluate_counts(pipeline, sample), COUNTS_MATCH)


@multi_asset_check(specs=METRICS_SPECS, can_subset=True)
def check_in_cancellation_metrics_checks(
    context: AssetCheckExecutionContext, pipeline: PipelineResource
) -> Iterator[AssetCheckResult]:
    """Check the marts."""
    ids = _enterprise_ids_of_run(context, pipeline)
    yield from _selected(context, lambda: evaluate_metrics(pipeline, ids))


@multi_asset_check(specs=SNAPSHOT_SPECS, can_subset=True)
def bi_snapshot_checks(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> Iterator[AssetCheckResult]:
    """Check what is published."""
    yield from _selected(context, lambda: evaluate_snapshot(pipeline))


ASSET_CHECKS = (
    enterprises_checks,
    services_checks,
    product_service_orders_checks,
    check_in_cancellation_metrics_checks,
    bi_snapshot_checks,
)


def _enterprise_ids_of_run(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> list[str]:
    """Look up the hotels of the run's partitions; where checks alone are run, those of all."""
    op = context.op_execution_context
    if op.has_partition_key or op.has_partition_key_range:
        return enterprise_ids_of(pipeline, op.partition_keys)
    with one_line_failures(), pipeline.warehouse().open() as connection:
        return [each.enterprise_id for each in read_enterprises(connection)]


def _selected(
    context: AssetCheckExecutionContext, evaluate: Callable[[], Sequence[AssetCheckEvaluation]], name: str | None = None
) -> Iterator[Any]:
    """Report the evaluations of the checks that the run selected; `name` is the only check that there are any of."""
    keys = context.selected_asset_check_keys
    if name is not None and name not in {key.name for key in keys}:
        return
    found = [each for each in evaluate() if each.asset_check_key in keys]
    yield from (each for each in found if each.partition is None)
    op = context.op_execution_context
    of_partitions = [each for each in found if each.partition is not None]
    if op.has_partition_key or op.has_partition_key_range:
        yield from _targeted(context.instance, of_partitions)
    else:
        yield from noteworthy(context.instance, of_partitions)


def _targeted(instance: DagsterInstance, evaluations: Sequence[AssetCheckEvaluation]) -> Iterator[AssetCheckEvaluation]:
    """Tie evaluations of partitions of one asset to their latest materializations: the web UI shows no others."""
    if not evaluations:
        return
    asset = evaluations[0].asset_key
    latest = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, DagsterEventType.ASSET_MATERIALIZATION, {str(each.partition) for each in evaluations}
    )
    records = (
        instance.fetch_materializations(
            AssetRecordsFilter(asset, storage_ids=list(latest.values())), limit=max(len(latest), 1)
        ).records
        if latest
        else []
    )
    targets = {
        record.partition_key: AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in records
    }
    for each in evaluations:
        yield AssetCheckEvaluation(
            asset_key=each.asset_key,
            check_name=each.check_name,
            passed=each.passed,
            metadata=each.metadata,
            target_materialization_data=targets.get(each.partition),
            severity=each.severity,
            description=each.description,
            partition=each.partition,
        )


def _has_passed(info: AssetCheckPartitionInfo) -> bool:
    return info.latest_execution_status is AssetCheckExecutionRecordStatus.SUCCEEDED


def _evaluate_enterprises(connection: duckdb.DuckDBPyConnection, ids: ScopeIds) -> list[AssetCheckEvaluation]:
    return [
        _unique(enterprises.key, ids.enterprises, ids.repeated_enterprises),
        _readable(enterprises.key, read_rejections(connection, ENTERPRISES.operation)),
    ]


def _evaluate_services(connection: duckdb.DuckDBPyConnection, ids: ScopeIds) -> list[AssetCheckEvaluation]:
    return [
        _unique(services.key, ids.services, ids.repeated_services),
        _readable(services.key, read_rejections(connection, SERVICES.operation)),
    ]


def _evaluate_orders(
    connection: duckdb.DuckDBPyConnection,
    stale_after: timedelta,
    enterprise_ids: Collection[str] | None,
    shown: ShownStates | None = None,
) -> list[AssetCheckEvaluation]:
    key = product_service_orders.key
    verdicts = evaluate_landed(connection, enterprise_ids)
    rejections = read_rejections(connection, PRODUCT_SERVICE_ORDERS.operation)
    status = _of(enterprise_ids, read_status(connection))
    now, check = datetime.now(UTC), AssetCheckKey(key, FRESH)
    looked_at = {each.partition_key: each for each in status if each.is_in_scope and each.services}
    states = {key: state_of(each, now, stale_after) for key, each in looked_at.items()}
    told = shown.news(check, {key: state == "fresh" for key, state in states.items()}) if shown else states
    return [
        *(_verdict(key, verdict) for verdict in verdicts),
        *([_readable(key, rejections)] if verdicts or rejections else []),
        *(_freshness(looked_at[key], states[key], now, stale_after) for key in told),
    ]


def _of(enterprise_ids: Collection[str] | None, rows: Sequence[Any]) -> list[Any]:
    return [each for each in rows if enterprise_ids is None or each.enterprise_id in enterprise_ids]


def _evaluation(
    asset: AssetKey,
    name: str,
    *,
    passed: bool,
    description: str,
    metadata: Mapping[str, Any],
    severity: AssetCheckSeverity = ERROR,
    partition: str | None = None,
) -> AssetCheckEvaluation:
    return AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=passed,
        severity=severity,
        description=for_markdown(description),
        metadata=metadata,
        partition=partition,
    )


def _unique(asset: AssetKey, rows: int, repeated: int) -> AssetCheckEvaluation:
    return _evaluation(
        asset,
        IDS,
        passed=not repeated,
        description=f"{repeated:,} of {rows:,} share an id with another" if repeated else f"{rows:,} are there once",
        metadata={"rows": rows, "repeated": repeated},
    )


def _readable(asset: AssetKey, rejections: Sequence[Rejection]) -> AssetCheckEvaluation:
    records = sum(each.records for each in rejections)
    reasons = [
        shown_record(
            {
                "reason": each.reason,
                "records": each.records,
                "latest": each.latest_utc.isoformat(timespec="seconds"),
                "for_example": each.for_example,
            }.items()
        )
        for each in rejections[:SHOWN_HOTELS]
    ]
    return _evaluation(
        asset,
        READABLE,
        passed=not records,
        description=f"{records:,} records could not be read: {rejections[0].reason}"
        if records
        else "all could be read",
        metadata={"rejected_records": records, **({"reasons": MetadataValue.table(reasons)} if reasons else {})},
        severity=WARN,
    )


def _verdict(asset: AssetKey, verdict: Verdict) -> AssetCheckEvaluation:
    rule, broken_in = verdict.rule, verdict.broken_in
    shown = broken_in or verdict.found_in
    hotels = [
        shown_record(
            {
                "hotel": each.partition_key,
                "violations": each.violations,
                "checked": each.checked,
                "found": each.detail,
            }.items()
        )
        for each in shown[:SHOWN_HOTELS]
    ]
    return _evaluation(
        asset,
        rule.name,
        passed=not verdict.violations,
        description=_describe(verdict, shown),
        metadata={
            "orders_checked": verdict.checked,
            "violations": verdict.violations,
            "hotels_with_violations": len(verdict.found_in),
            "hotels": verdict.hotels,
            "hotels_looked_at_now": verdict.looked_at,
            **({"worst_hotels": MetadataValue.table(hotels)} if hotels else {}),
        },
        severity=ERROR if broken_in else WARN,
    )


def _describe(verdict: Verdict, shown: Sequence[Any]) -> str:
    if not shown:
        return f"holds for {verdict.checked:,} orders of {verdict.hotels:,} hotels"
    first = shown[0]
    return (
        f"{sum(each.violations for each in shown):,} orders in {len(shown):,} hotel(s), such as {first.partition_key}: "
        f"{first.violations:,} of {first.checked:,}" + (f" ({first.detail})" if first.detail else "")
    )


def _freshness(status: EnterpriseStatus, state: str, now: datetime, stale_after: timedelta) -> AssetCheckEvaluation:
    lag = None if status.watermark_utc is None else max(now - status.watermark_utc, timedelta())
    since = status.watermark_utc and status.watermark_utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    said = {
        "fresh": f"every change up to {since} is here",
        "stale": f"nothing after {since} has been read",
        "never read": "not read to the end yet",
        "failing": status.last_error or "",
    }
    return _evaluation(
        product_service_orders.key,
        FRESH,
        passed=state == "fresh",
        description=said[state],
        metadata={
            "state": state,
            "stale_after_hours": stale_after.total_seconds() / 3600,
            **({} if lag is None else {"lag_minutes": round(lag.total_seconds() / 60, 1)}),
        },
        partition=status.partition_key,
    )


def _comparison(comparison: Comparison) -> AssetCheckEvaluation:
    counts, window = comparison.counts, comparison.window
    period = f"from {window.start_utc:%Y-%m-%d %H:%M:%S} to {window.end_utc:%Y-%m-%d %H:%M:%S} UTC"
    return _evaluation(
        product_service_orders.key,
        COUNTS_MATCH,
        passed=not counts.missing,
        description=(
            f"{counts.missing:,} of {counts.at_source:,} orders that changed {period} are missing here or outdated"
            if counts.missing
            else f"all {counts.at_source:,} orders that changed {period} are here"
        ),
        metadata={
            "orders_at_source": counts.at_source,
            "orders_in_warehouse": counts.in_warehouse,
            "missing_or_outdated": counts.missing,
            "changed_or_gone_since": counts.changed_or_gone,
        },
        partition=comparison.partition_key,
    )


def _volume(volume: Volume) -> AssetCheckEvaluation:
    usual = f"{volume.usual:,.0f} are usual"
    return _evaluation(
        check_in_cancellation_metrics.key,
        VOLUMES,
        passed=volume.is_usual,
        description=(
            f"{volume.orders:,} orders in the 7 days to {volume.last_day}, {usual}"
            + ("" if volume.is_judged else ", too few to judge")
            + ("" if volume.is_usual else ": a sudden drop" if volume.orders < volume.usual else ": a sudden jump")
        ),
        metadata={
            "orders_of_last_7_days": volume.orders,
            "usual_orders_a_week": volume.usual,
            "lowest_expected": round(volume.lowest, 1),
            "highest_expected": round(volume.highest, 1),
        },
        severity=WARN,
        partition=volume.partition_key,
    )


def _recent(hotels: Sequence[PublishedHotel], now: datetime, stale_after: timedelta) -> AssetCheckEvaluation:
    dated = sorted(
        (each.as_of_utc, each.partition_key) for each in hotels if each.is_in_scope and each.as_of_utc is not None
    )
    if not dated:
        return _evaluation(
            bi_snapshot.key, RECENT, passed=False, description="no hotel in scope has any figures yet", metadata={}
        )
    (oldest, key), age = dated[0], now - dated[0][0]
    is_ahead = dated[-1][0] > now + timedelta(days=1)
    behind = [
        shown_record([("hotel", key), ("as_of", f"{as_of:%Y-%m-%d %H:%M:%S} UTC"), ("hours", _hours(now - as_of))])
        for as_of, key in dated[:SHOWN_HOTELS]
    ]
    return _evaluation(
        bi_snapshot.key,
        RECENT,
        passed=age <= stale_after / 2 and not is_ahead,
        description=(
            f"{dated[-1][1]} has figures as of {dated[-1][0]:%Y-%m-%d %H:%M:%S} UTC, which lies in the future"
            if is_ahead
            else f"the data are {_hours(age):,} hours old: {key} has figures as of {oldest:%Y-%m-%d %H:%M:%S} UTC"
        ),
        metadata={
            "age_hours": _hours(age),
            "stale_after_hours": stale_after.total_seconds() / 3600,
            "oldest_hotels": MetadataValue.table(behind),
        },
        severity=ERROR if age > stale_after or is_ahead else WARN,
    )


def _hours(age: timedelta) -> float:
    return round(max(age.total_seconds(), 0) / 3600, 2)


def _all_published(snapshot: Snapshot, hotels: Sequence[PublishedHotel]) -> AssetCheckEvaluation:
    held_back = snapshot.manifest.held_back
    in_scope = {each.partition_key: each for each in hotels if each.is_in_scope}
    unread = sorted(key for key, each in in_scope.items() if each.as_of_utc is None and key not in held_back)
    problems = [*held_back.items(), *((key, "it was never read to its end") for key in unread)]
    records = [shown_record([("hotel", key), ("reason", reason)]) for key, reason in problems[:SHOWN_HOTELS]]
    return _evaluation(
        bi_snapshot.key,
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
            **({"hotels": MetadataValue.table(records)} if records else {}),
        },
        severity=ERROR if held_back else WARN,
    )


def _totals(differences: Sequence[str], hotels: Sequence[PublishedHotel]) -> AssetCheckEvaluation:
    orders = sum(hotel.orders for hotel in hotels)
    return _evaluation(
        bi_snapshot.key,
        TOTALS,
        passed=not differences,
        description="; ".join(differences[:SHOWN_HOTELS]) or f"{orders:,} orders of {len(hotels):,} hotels",
        metadata={"orders": orders, "hotels": len(hotels), "differences": len(differences)},
    )


def _collapses(collapses: Sequence[Collapse], before: Snapshot | None) -> AssetCheckEvaluation:
    lost = [
        f"{each.hotel.partition_key} has {each.hotel.orders:,} orders and had {each.orders_before:,}"
        for each in collapses[:SHOWN_HOTELS]
    ]
    since = (
        f"since {before.manifest.published_utc:%Y-%m-%d %H:%M:%S} UTC" if before else "yet: it is the first snapshot"
    )
    return _evaluation(
        bi_snapshot.key,
        COLLAPSE,
        passed=not collapses,
        description="; ".join(lost) or f"no hotel has lost orders {since}",
        metadata={"hotels_that_lost_orders": len(collapses)},
    )


def _shares(impossible: Sequence[ImpossibleRate], hotels: Sequence[PublishedHotel]) -> AssetCheckEvaluation:
    named = [f"{each.rate} of {each.partition_key} is {each.value:g}" for each in impossible[:SHOWN_HOTELS]]
    return _evaluation(
        bi_snapshot.key,
        SHARES,
        passed=not impossible,
        description="; ".join(named) or f"all rates of {len(hotels):,} hotels do",
        metadata={"impossible_rates": len(impossible)},
    )
