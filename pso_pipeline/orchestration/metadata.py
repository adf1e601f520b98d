"""The metadata that Dagster's web UI shows: column schemas, previews, figures.

Add a function here for a new kind of metadata. Which asset has which metadata is decided in `assets` and `steps`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableMetadataValue, TableRecord, TableSchema

from pso_pipeline.bi.documentation.pages import dictionary_page, metrics_page
from pso_pipeline.bi.headlines import HotelHeadline
from pso_pipeline.bi.parquet import table_path
from pso_pipeline.bi.snapshot import Published
from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, Endpoint
from pso_pipeline.ingestion.scope import ScopeReport
from pso_pipeline.ingestion.sync import EnterpriseOutcome, SyncReport
from pso_pipeline.text import for_markdown
from pso_pipeline.warehouse.marts.derive import Headline, written_statements
from pso_pipeline.warehouse.reading import EnterpriseStatus, Preview

Metadata = dict[str, Any]

Cells = Mapping[str, str | int | float | None]
"""One row of a table, by column."""

REQUESTS = "requests_for_orders"
"""Figure of the snapshot: the requests of the refresh that published it."""

SHOWN_HOTELS = 20
"""Rows of a table of hotels, so that an event stays small however many hotels there are."""


def column_schema(table: Table) -> TableSchema:
    """Describe the columns of a table of the contract."""
    return TableSchema(
        columns=[
            TableColumn(
                name=column.name,
                type=column.type,
                description=column.description,
                constraints=TableColumnConstraints(nullable=(column.name,) != table.key),
            )
            for column in table.columns
        ]
    )


def table_definition(table: Table) -> Metadata:
    """Describe a table where its asset is defined: name and columns."""
    return {"dagster/table_name": table.qualified_name, "dagster/column_schema": column_schema(table)}


def endpoint_definition(endpoint: Endpoint) -> Metadata:
    """Describe the table of an endpoint, with a link to the API's page of its operation."""
    page = endpoint.operation.partition("/")[0].lower()
    return {
        **table_definition(endpoint.table),
        "api": MetadataValue.url(f"https://docs.mews.com/connector-api/operations/{page}"),
    }


@cache
def documentation() -> Metadata:
    """Describe every metric, table and column."""
    return {"metrics": MetadataValue.md(metrics_page()), "data_dictionary": MetadataValue.md(dictionary_page())}


def marts_sql() -> Metadata:
    """Show the SQL statement of each mart."""
    return {f"sql_{name}": MetadataValue.md(f"```sql\n{text}```") for name, text in written_statements().items()}


def preview(rows: Preview) -> TableMetadataValue:
    """Show some rows."""
    records = [shown_record(zip(rows.columns, row, strict=True)) for row in rows.rows]
    return MetadataValue.table(records, _untyped_schema(rows.columns))


def hotels_table(rows: Sequence[Cells]) -> TableMetadataValue:
    """Show the first rows of a table that has a row for each hotel."""
    return MetadataValue.table([shown_record(row.items()) for row in rows[:SHOWN_HOTELS]])


def shown_record(cells: Iterable[tuple[str, object]]) -> TableRecord:
    """Make a row of a table whose texts the web UI cannot read as Markdown."""
    return TableRecord({name: _shown(value) for name, value in cells})


@cache
def _untyped_schema(columns: tuple[str, ...]) -> TableSchema:
    return TableSchema([TableColumn(name) for name in columns])


def scope_metadata(report: ScopeReport, known: int, rows: Preview) -> Metadata:
    """Show the outcome of listing hotels or services; the warehouse has `known` of them."""
    lines = (*report.problems, *report.notices)
    figures: Metadata = {
        "dagster/row_count": known,
        "listed_now": report.listed,
        "preview": preview(rows),
        "rejected_records": report.rejected,
        "failed_tokens": len(report.failures),
        **({"changes_of_scope": "\n".join(map(for_markdown, lines))} if lines else {}),
    }
    if report.failures:
        reasons = dict.fromkeys(map(for_markdown, report.failures.values()))
        figures["reasons"] = MetadataValue.table([TableRecord({"reason": reason}) for reason in reasons])
    return figures


def records_metadata(
    endpoint: Endpoint,
    outcome: EnterpriseOutcome,
    status: EnterpriseStatus | None,
    rows: Preview | None,
    now: datetime,
    *,
    row_count: int = 0,
) -> Metadata:
    """Show the outcome of a sync of an endpoint for one hotel, and its state at `now` (aware).

    Of orders, `status` has the count of rows, of other records `row_count`.
    """
    records = "orders" if endpoint is PRODUCT_SERVICE_ORDERS else endpoint.name
    figures: Metadata = {
        "hotel": for_markdown(outcome.name or outcome.enterprise_id),
        f"new_{records}": outcome.created,
        f"changed_{records}": outcome.changed,
    }
    if status is not None:
        figures |= {"dagster/partition_row_count": status.orders, "rejected_records": status.rejected}
        if status.watermark_utc is not None:
            figures["watermark"] = MetadataValue.timestamp(status.watermark_utc)
            figures["lag_minutes"] = _minutes(now - status.watermark_utc)
    else:
        figures["dagster/partition_row_count"] = row_count
    if not outcome.has_services:
        figures["state"] = "no services listed"
    if outcome.reconciled is not None:
        figures[f"{records}_missing_from_source"] = outcome.reconciled.missing
    if rows is not None:
        figures["preview"] = preview(rows)
    return figures


def metrics_metadata(headline: Headline, rows: Preview | None) -> Metadata:
    """Show the headline figures of one hotel."""
    rates = {
        "cancellation_rate_30d": (headline.canceled_within_30d, headline.mature_firm_orders_30d),
        "served_of_resolved": (headline.checked_in_orders, headline.checked_in_orders + headline.canceled_orders),
    }
    figures: Metadata = {
        "dagster/partition_row_count": headline.metrics_rows,
        "orders": headline.orders_created,
        "served_orders": headline.checked_in_orders,
        "canceled_orders": headline.canceled_orders,
        **{name: numerator / denominator for name, (numerator, denominator) in rates.items() if denominator},
    }
    if headline.as_of_utc is not None:
        figures["as_of"] = MetadataValue.timestamp(headline.as_of_utc)
    if rows is not None:
        figures["preview"] = preview(rows)
    return figures


def snapshot_metadata(
    published: Published, report: Path, hotels: Sequence[HotelHeadline], refreshed: SyncReport | None = None
) -> Metadata:
    """Show the published tables, their paths and age, the report, and the figures of the sync `refreshed`."""
    manifest = published.snapshot.manifest
    tables = [
        TableRecord(
            {"table": name, "rows": table.rows, "path": table_path(name), "rewritten": name in published.rewritten}
        )
        for name, table in manifest.tables.items()
    ]
    figures: Metadata = {
        "report": MetadataValue.path(report.absolute()),
        "snapshot": MetadataValue.path(published.snapshot.database),
        "published": MetadataValue.timestamp(manifest.published_utc),
        "changed": published.is_new,
        "tables": MetadataValue.table(tables),
        "dagster/row_count": manifest.tables["fct_product_service_orders"].rows,
        "orders": sum(hotel.orders for hotel in hotels),
        "canceled_orders": sum(hotel.canceled_orders for hotel in hotels),
        "hotels": len(hotels),
    }
    if hotels:
        figures["preview"] = MetadataValue.table(list(map(_hotel_record, hotels[:SHOWN_HOTELS])))
    if manifest.as_of_utc is not None:
        figures["as_of"] = MetadataValue.timestamp(manifest.as_of_utc)
        figures["lag_minutes"] = _minutes(manifest.published_utc - manifest.as_of_utc)
    if refreshed is not None:
        figures["new_orders"] = sum(each.created for each in refreshed.enterprises)
        figures["changed_orders"] = sum(each.changed for each in refreshed.enterprises)
        figures["failed_hotels"] = len(refreshed.failed)
        if refreshed.troubles:
            figures["not_read"] = "\n".join(map(for_markdown, refreshed.troubles))
        figures[REQUESTS] = sum(refreshed.requests.values())
    return figures


def _hotel_record(hotel: HotelHeadline) -> TableRecord:
    rates = {"cancellation_rate_30d": hotel.cancellation_rate_30d, "served_of_resolved": hotel.served_of_resolved}
    cells = {
        "hotel": hotel.name,
        "orders": hotel.orders,
        **{name: None if rate is None else f"{rate:.1%}" for name, rate in rates.items()},
        "as_of": hotel.as_of_utc.strftime("%Y-%m-%d %H:%M:%S UTC") if hotel.as_of_utc else None,
    }
    return shown_record(cells.items())


def _minutes(span: timedelta) -> float:
    return round(max(span.total_seconds(), 0) / 60, 1)


def _shown(value: object) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, int | float | bool) else for_markdown(str(value))
