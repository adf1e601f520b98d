"""The tables as an Open Data Contract (ODCS): what readers of the snapshot may rely on, in a form that can be checked.

Source: the Open Data Contract Standard of Bitol, 3.1.0.
"""

from typing import Any

from pso_pipeline.contract.columns import Column, ColumnType, Table
from pso_pipeline.contract.marts import MART_TABLES, SCHEMA_VERSION

API_VERSION = "v3.1.0"

_LOGICAL_TYPES: dict[ColumnType, str] = {
    "VARCHAR": "string",
    "BIGINT": "integer",
    "INTEGER": "integer",
    "DOUBLE": "number",
    "DECIMAL(18,4)": "number",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}


def data_contract() -> dict[str, Any]:
    """Make the contract: every published table with its columns, types, keys and words."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": "pso-bi",
        "name": "pso_bi",
        "version": f"{SCHEMA_VERSION}.0.0",
        "status": "active",
        "domain": "hospitality",
        "description": {
            "purpose": "Product service orders of a hotel group, with what became of them, for BI tools.",
            "usage": (
                "Read it only, and connect again to see a newer publication. Totals are of the hotels with is_in_scope "
                "and an as_of_utc."
            ),
            "limitations": (
                "Dates are the hotel's own, times are UTC. Amounts of two currencies never add up. Rows are in no "
                "promised order. Columns may be added at the end."
            ),
        },
        "servers": [
            {
                "server": "snapshot",
                "type": "duckdb",
                "description": "The published database; the path is relative to PSO_BI_DIR.",
                "database": "pso_bi.duckdb",
                "schema": "mart",
            }
        ],
        "schema": [_table(table) for table in MART_TABLES],
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "physicalName": table.name,
        "physicalType": "table",
        "description": table.description,
        "properties": [_column(column, table) for column in table.columns],
    }


def _column(column: Column, table: Table) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL_TYPES[column.type],
        "physicalType": column.type,
        "description": column.description,
    }
    if table.key == (column.name,):
        described |= {"primaryKey": True, "primaryKeyPosition": 1, "required": True, "unique": True}
    return described
