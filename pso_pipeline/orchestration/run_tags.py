"""What the list of runs shows of a refresh: two tags, and two lines of its log."""

from dagster import OpExecutionContext

from pso_pipeline.bi.snapshot import Published
from pso_pipeline.ingestion.sync import SyncReport
from pso_pipeline.text import for_markdown

HOTELS_TAG = "pso/hotels"
"""Tag of a run with the number of hotels that it read."""

CHANGED_ORDERS_TAG = "pso/changed_orders"
"""Tag of a run with the number of orders that were new or had changed."""


TROUBLES_TAG = "pso/not_read"
"""Tag of a run with what could not be read of optional endpoints, where anything could not."""


def tag_run(context: OpExecutionContext, report: SyncReport) -> None:
    """Write into the tags and the log of a run how many hotels it read and how many orders it found."""
    created = sum(each.created for each in report.enterprises)
    changed = sum(each.changed for each in report.enterprises)
    tags = {HOTELS_TAG: str(len(report.enterprises)), CHANGED_ORDERS_TAG: str(created + changed)}
    if report.troubles:
        tags[TROUBLES_TAG] = for_markdown("; ".join(report.troubles))
    context.instance.add_run_tags(context.run_id, tags)
    context.log.info(
        "read %s hotels, %s of them failed: %s new and %s changed orders, %s rejected records, %s items of other types "
        "left out, %s requests",
        f"{len(report.enterprises):,}",
        f"{len(report.failed):,}",
        f"{created:,}",
        f"{changed:,}",
        f"{report.rejected:,}",
        f"{report.left_out:,}",
        f"{sum(report.requests.values()):,}",
    )


def describe_publication(published: Published) -> str:
    """Describe in one line what was published."""
    manifest = published.snapshot.manifest
    if not published.is_new:
        return f"published nothing: the snapshot of {manifest.published_utc:%Y-%m-%d %H:%M:%S} UTC has everything"
    as_of = f"{manifest.as_of_utc:%Y-%m-%d %H:%M:%S} UTC" if manifest.as_of_utc else "no time yet"
    tables = ", ".join(published.rewritten) or "no table"
    return f"published the snapshot as of {as_of}: {tables} changed, {len(published.held_back):,} hotels held back"
