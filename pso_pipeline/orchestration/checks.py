"""The asset checks: what each one promises, and the runs that evaluate them.

A check covers all hotels and lists those in which something is wrong. Add the spec of a new check here, and its
evaluation in `evaluations`. The job `refresh` reports the same evaluations between its steps.
"""

from collections.abc import Callable, Iterator, Sequence

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from pso_pipeline.bi.quality import COLLAPSED_ORDERS, COLLAPSED_SHARE
from pso_pipeline.contract.endpoints import ENDPOINTS, PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.contract.limits import MAX_COUNT
from pso_pipeline.orchestration.asset_keys import ENTERPRISES, METRICS, ORDERS, SERVICES, SNAPSHOT
from pso_pipeline.orchestration.evaluations import (
    ALL_PUBLISHED,
    API_ANSWERS,
    COLLAPSE,
    COUNTS_MATCH,
    FRESH,
    IDS,
    READABLE,
    RECENT,
    SAMPLED_HOTELS,
    SHARES,
    TOTALS,
    VOLUMES,
    evaluate_api,
    evaluate_counts,
    evaluate_enterprises,
    evaluate_metrics,
    evaluate_records,
    evaluate_services,
    evaluate_snapshot,
    sample_hotels,
)
from pso_pipeline.orchestration.resources import PipelineResource, one_line_failures
from pso_pipeline.warehouse.checks.rules import DERIVED_RULES, Rule, landed_rules
from pso_pipeline.warehouse.reading import read_enterprises

_READABLE_DESCRIPTION = (
    "Every record that the API sent could be read. Others are kept in mews.rejected_records; one that could be read "
    "later no longer counts."
)


def _rule_spec(rule: Rule, asset: AssetKey) -> AssetCheckSpec:
    return AssetCheckSpec(rule.name, asset=asset, description=rule.description)


ENTERPRISES_SPECS = (
    AssetCheckSpec(
        IDS,
        asset=ENTERPRISES,
        description="Every hotel is stored once, under a partition key of its own. Others are not published again.",
    ),
    AssetCheckSpec(READABLE, asset=ENTERPRISES, description=_READABLE_DESCRIPTION),
    AssetCheckSpec(
        API_ANSWERS,
        asset=ENTERPRISES,
        description="The API answers at all. Each refresh asks it, and the sensor `hotel_alerts` does so all the time.",
    ),
)
SERVICES_SPECS = (
    AssetCheckSpec(
        IDS,
        asset=SERVICES,
        description="Every service is stored once. The hotels of others are not published again.",
    ),
    AssetCheckSpec(READABLE, asset=SERVICES, description=_READABLE_DESCRIPTION),
)
ORDERS_SPECS = (
    AssetCheckSpec(
        FRESH,
        asset=ORDERS,
        description=(
            "Every hotel in scope was read without a failure and not too long ago. PSO_STALE_AFTER_HOURS is the limit."
        ),
    ),
    AssetCheckSpec(
        COUNTS_MATCH,
        asset=ORDERS,
        description=(
            f"The source has no order that is missing here. Of {SAMPLED_HOTELS} random hotels each hour, the "
            f"{MAX_COUNT:,} orders that changed last (of 89 days at most) are read again and compared."
        ),
    ),
)
METRICS_SPECS = (
    *(_rule_spec(rule, METRICS) for rule in DERIVED_RULES),
    AssetCheckSpec(
        VOLUMES,
        asset=METRICS,
        description=(
            "The last 7 complete days of every hotel brought about as many orders as each of its 8 weeks before. Less "
            "than half or more than twice as many, and further from the median than 4 times the usual spread, is a "
            "warning."
        ),
    ),
)
SNAPSHOT_SPECS = (
    AssetCheckSpec(
        RECENT,
        asset=SNAPSHOT,
        description=(
            "The published data are not too old. Their age is that of the oldest hotel in scope: more than half of "
            "PSO_STALE_AFTER_HOURS is a warning, more than all of it an error."
        ),
    ),
    AssetCheckSpec(
        ALL_PUBLISHED,
        asset=SNAPSHOT,
        description=(
            "Every hotel in scope is published with its newest figures. One that a check holds back is an error, one "
            "that was never read to its end a warning."
        ),
    ),
    AssetCheckSpec(
        TOTALS,
        asset=SNAPSHOT,
        description="The orders in the snapshot are those of the warehouse, for each hotel and in each file.",
    ),
    AssetCheckSpec(
        COLLAPSE,
        asset=SNAPSHOT,
        description=(
            f"No hotel has lost orders without a reason since the snapshot before. More than {COLLAPSED_ORDERS} and "
            f"{COLLAPSED_SHARE:.0%} of them are an error, unless the source no longer has them."
        ),
    ),
    AssetCheckSpec(
        SHARES,
        asset=SNAPSHOT,
        description=(
            "Every rate of every hotel lies between 0 and 1. Quotients of two flows, which may pass 1, are left out."
        ),
    ),
)


@multi_asset_check(specs=ENTERPRISES_SPECS, can_subset=True)
def enterprises_checks(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> Iterator[AssetCheckResult]:
    """Check the list of hotels, and whether the API answers."""
    yield from _results(context, lambda: evaluate_enterprises(pipeline))
    yield from _results(context, lambda: [evaluate_api(pipeline)], API_ANSWERS)


@multi_asset_check(specs=SERVICES_SPECS, can_subset=True)
def services_checks(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> Iterator[AssetCheckResult]:
    """Check the list of services."""
    yield from _results(context, lambda: evaluate_services(pipeline))


def records_checks(endpoint: Endpoint) -> AssetChecksDefinition:
    """Make the checks of an endpoint whose records are read hotel by hotel; orders have some of their own."""
    asset = AssetKey(endpoint.name)
    specs = (
        *(_rule_spec(rule, asset) for rule in landed_rules(endpoint)),
        AssetCheckSpec(READABLE, asset=asset, description=_READABLE_DESCRIPTION),
        *(ORDERS_SPECS if endpoint is PRODUCT_SERVICE_ORDERS else ()),
    )

    @multi_asset_check(name=f"{endpoint.name}_checks", specs=specs, can_subset=True)
    def checks(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> Iterator[AssetCheckResult]:
        """Check the landed records of every hotel, and compare the orders of some hotels with the source."""
        yield from _results(context, lambda: evaluate_records(pipeline, _all_hotels(pipeline), endpoint))
        yield from _results(context, lambda: evaluate_counts(pipeline, sample_hotels(pipeline)), COUNTS_MATCH)

    return checks


@multi_asset_check(specs=METRICS_SPECS, can_subset=True)
def check_in_cancellation_metrics_checks(
    context: AssetCheckExecutionContext, pipeline: PipelineResource
) -> Iterator[AssetCheckResult]:
    """Check the marts of every hotel."""
    yield from _results(context, lambda: evaluate_metrics(pipeline, _all_hotels(pipeline)))


@multi_asset_check(specs=SNAPSHOT_SPECS, can_subset=True)
def bi_snapshot_checks(context: AssetCheckExecutionContext, pipeline: PipelineResource) -> Iterator[AssetCheckResult]:
    """Check the published snapshot."""
    yield from _results(context, lambda: evaluate_snapshot(pipeline))


ASSET_CHECKS = (
    enterprises_checks,
    services_checks,
    *(records_checks(endpoint) for endpoint in ENDPOINTS if endpoint.keeps_versions),
    check_in_cancellation_metrics_checks,
    bi_snapshot_checks,
)

CHECK_KEYS = [key for each in ASSET_CHECKS for key in each.check_keys]


def _all_hotels(pipeline: PipelineResource) -> list[str]:
    with one_line_failures(), pipeline.warehouse().open() as connection:
        return [each.enterprise_id for each in read_enterprises(connection)]


def _results(
    context: AssetCheckExecutionContext, evaluate: Callable[[], Sequence[AssetCheckEvaluation]], name: str | None = None
) -> Iterator[AssetCheckResult]:
    """Evaluate, and yield the results of the checks that the run selected; nothing if the only check `name` is not."""
    keys = context.selected_asset_check_keys
    if name is not None and name not in {key.name for key in keys}:
        return
    for each in evaluate():
        if each.asset_check_key in keys:
            yield AssetCheckResult(
                asset_key=each.asset_key,
                check_name=each.check_name,
                passed=each.passed,
                severity=each.severity,
                description=each.description,
                metadata=each.metadata,
            )
