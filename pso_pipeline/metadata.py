"""How tables and outcomes are shown in Dagster's web UI: column schemas, previews, figures.

Add a presentation here. Which asset shows what is decided in `assets` and `jobs`.
"""

from pathlib import Path
from typing import Any

from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableMetadataValue, TableRecord, TableSchema

from pso_pipeline.bi.snapshot import Published
from pso_pipeline.contract.columns import Table
from pso_pipeline.ingestion.scope import ScopeReport
from pso_pipeline.ingestion.sync import EnterpriseOutcome
from pso_pipeline.warehouse.marts.derive import Headline
from pso_pipeline.warehouse.reading import EnterpriseStatus, Preview

Metadata = dict[str, Any]


def column_schema(table: Table) -> TableSchema:
    """Describe the columns of a table of the contract."""
    return TableSchema(
        columns=[
            TableColumn(
                name=column.name,
                type=column.type,
                description=column.description,
                constraints=TableColumnConstraints(nullable=column.name not in table.key),
            )
            for column in table.columns
        ]
    )


def table_definition(table: Table) -> Metadata:
    """Describe a table where its asset is defined: name and columns."""
    return {"dagster/table_name": table.qualified_name, "dagster/column_schema": column_schema(table)}


def preview(rows: Preview) -> TableMetadataValue:
    """Show some rows."""
    columns = [TableColumn(name) for name in rows.columns]
    records = [TableRecord(dict(zip(rows.columns, map(_shown, row), strict=True))) for row in rows.rows]
    return MetadataValue.table(records, TableSchema(columns))


def scope_metadata(report: ScopeReport, rows: Preview) -> Metadata:
    """Show what listing enterprises or services came to."""
    return {
        "dagster/row_count": report.listed,
        "preview": preview(rows),
        "rejected_records": report.rejected,
        "failed_tokens": len(report.failures),
    }


def orders_metadata(outcome: EnterpriseOutcome, status: EnterpriseStatus | None) -> Metadata:
    """Show what a sync did for one enterprise, and how it stands."""
    figures: Metadata = {
        "hotel": outcome.name or outcome.enterprise_id,
        "new_orders": outcome.created,
        "changed_orders": outcome.changed,
    }
    if status is not None:
        figures |= {"dagster/partition_row_count": status.orders, "rejected_records": status.rejected}
        if status.watermark_utc is not None:
            figures["watermark"] = MetadataValue.timestamp(status.watermark_utc)
    if outcome.reconciled is not None:
        figures["orders_missing_from_source"] = outcome.reconciled.missing
    return figures


def metrics_metadata(headline: Headline) -> Metadata:
    """Show the headline figures of one enterprise."""
    rates = {
        "cancellation_rate_30d": (headline.canceled_within_30d, headline.mature_firm_orders_30d),
        "check_in_rate": (headline.checked_in_orders, headline.firm_orders),
    }
    figures: Metadata = {
        "orders": headline.orders_created,
        "checked_in_orders": headline.checked_in_orders,
        "canceled_orders": headline.canceled_orders,
        **{name: numerator / denominator for name, (numerator, denominator) in rates.items() if denominator},
    }
    if headline.as_of_utc is not None:
        figures["as_of"] = MetadataValue.timestamp(headline.as_of_utc)
    return figures


def snapshot_metadata(published: Published, report: Path) -> Metadata:
    """Show what was published, where, and as of when, and where its report lies."""
    manifest = published.snapshot.manifest
    tables = [
        TableRecord({"table": name, "rows": table.rows, "file": table.file, "rewritten": name in published.rewritten})
        for name, table in manifest.tables.items()
    ]
    figures: Metadata = {
        "report": MetadataValue.path(report.absolute()),
        "snapshot": MetadataValue.path(published.snapshot.database),
        "published": MetadataValue.timestamp(manifest.published_utc),
        "changed": published.is_new,
        "tables": MetadataValue.table(tables),
        "dagster/row_count": manifest.tables["fct_product_service_orders"].rows,
    }
    if manifest.as_of_utc is not None:
        figures["as_of"] = MetadataValue.timestamp(manifest.as_of_utc)
    return figures


def _shown(value: object) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
