"""Hotels that a check holds back: their rows in the copy of the marts are replaced by those published before.

Holds how the rows are replaced and marked. Which hotels are held back is decided in `warehouse/checks`, and
when in `snapshot.py`.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import duckdb

from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.marts import (
    AGG_CONSUMPTION_AHEAD,
    AGG_ITEM_REVENUE_DAILY,
    AGG_ORDERS_DAILY,
    CANCELLATION_CURVE_RUNS,
    DIM_DATES,
    DIM_ENTERPRISES,
    DIM_PRODUCTS,
    DIM_SERVICES,
    FCT_ORDER_ITEMS,
    FCT_ORDER_STATE_CHANGES,
    FCT_PRODUCT_SERVICE_ORDERS,
)
from pso_pipeline.warehouse.sql import literal
from pso_pipeline.warehouse.writing import writes

BY_HOTEL = (
    FCT_PRODUCT_SERVICE_ORDERS,
    FCT_ORDER_STATE_CHANGES,
    AGG_ORDERS_DAILY,
    CANCELLATION_CURVE_RUNS,
    FCT_ORDER_ITEMS,
    AGG_ITEM_REVENUE_DAILY,
    AGG_CONSUMPTION_AHEAD,
)
"""Tables of a hotel's figures; of the others only what these refer to is replaced."""

OF_NOW = ("enterprise_id", "partition_key", "is_in_scope", "is_held_back", "held_back_reason")
"""Columns of a hotel that describe it now, whichever figures of it are published."""

OF_HELD_BACK = "WHERE enterprise_id IN (SELECT enterprise_id FROM held_back)"

NO_EARLIER_FIGURES = "none of its earlier figures can be read"

COLUMNS = """
    SELECT column_name FROM duckdb_columns()
    WHERE schema_name = $schema AND table_name = $name AND database_name = coalesce($database, current_database())
    ORDER BY column_index
"""

MARK = """
    CREATE OR REPLACE TEMP TABLE marked AS
    SELECT
        hotels.* REPLACE (
            NULL::TIMESTAMP AS as_of_utc,
            NULL::DATE AS as_of_date,
            NULL::TIMESTAMP AS items_as_of_utc,
            TRUE AS is_held_back,
            held_back.reason AS held_back_reason
        )
    FROM mart.dim_enterprises AS hotels
    INNER JOIN held_back ON held_back.enterprise_id = hotels.enterprise_id
    QUALIFY 1 = row_number()
        OVER (PARTITION BY hotels.enterprise_id ORDER BY hotels.is_in_scope DESC, hotels.partition_key)
"""
"""A hotel that is listed twice has one row after that."""

logger = logging.getLogger(__name__)


def hold_back(copy: duckdb.DuckDBPyConnection, held_back: Mapping[str, str], before: Path | None) -> bool:
    """Replace all rows of hotels in a copy of the marts by those of the snapshot `before`, and mark the hotels.

    `held_back` gives the reason for each hotel, by its id. A hotel that is not in `before` keeps only its row of
    `mart.dim_enterprises`, without an `as_of_utc`. The same is true of every hotel if `before` is None or cannot be
    read, which the reason then says. Columns that `before` does not have are null for these hotels, tables are empty.

    Returns:
        Whether `before` was read.

    Raises:
        duckdb.Error: The copy cannot be changed.
    """
    if before is not None:
        try:
            copy.execute(f"ATTACH {literal(str(before))} AS before (READ_ONLY)")
            _replace(copy, held_back, has_before=True)
        except duckdb.Error as error:
            logger.warning(
                "%s cannot be read, held-back hotels have no figures: %s", before, str(error).splitlines()[0]
            )
            held_back = {enterprise: f"{reason}; {NO_EARLIER_FIGURES}" for enterprise, reason in held_back.items()}
        else:
            return True
        finally:
            copy.execute("DETACH DATABASE IF EXISTS before")
    _replace(copy, held_back, has_before=False)
    return False


@writes()
def _replace(copy: duckdb.DuckDBPyConnection, held_back: Mapping[str, str], *, has_before: bool) -> None:
    copy.execute("CREATE OR REPLACE TEMP TABLE held_back (enterprise_id VARCHAR, reason VARCHAR)")
    copy.executemany("INSERT INTO held_back VALUES (?, ?)", list(held_back.items()))
    copy.execute(MARK)
    if has_before:
        _mark_as_before(copy)
    for table in (*BY_HOTEL, DIM_SERVICES, DIM_PRODUCTS, DIM_ENTERPRISES):
        copy.execute(f"DELETE FROM {table.qualified_name} {OF_HELD_BACK}")  # noqa: S608  # names from contract/marts.py
    copy.execute("INSERT INTO mart.dim_enterprises FROM marked")
    if has_before:
        for table in BY_HOTEL:
            _insert_before(copy, table, OF_HELD_BACK)
        _insert_before(copy, DIM_SERVICES, f"ANTI JOIN mart.dim_services AS others USING (service_id) {OF_HELD_BACK}")
        _insert_before(copy, DIM_PRODUCTS, f"ANTI JOIN mart.dim_products AS others USING (product_id) {OF_HELD_BACK}")
        _insert_before(copy, DIM_DATES, "ANTI JOIN mart.dim_dates AS others USING (date)")


def _mark_as_before(copy: duckdb.DuckDBPyConnection) -> None:
    """Let the marked hotels have the attributes with which their published figures were computed."""
    names = [name for name in _common_columns(copy, DIM_ENTERPRISES) if name not in OF_NOW]
    taken = ", ".join(f'"{name}" = published."{name}"' for name in names)
    statement = f"UPDATE marked SET {taken} FROM before.mart.dim_enterprises AS published"  # noqa: S608  # columns from contract/marts.py
    copy.execute(f"{statement} WHERE published.enterprise_id = marked.enterprise_id")


def _insert_before(copy: duckdb.DuckDBPyConnection, table: Table, which: str) -> None:
    columns = ", ".join(f'"{name}"' for name in _common_columns(copy, table))
    if columns:
        rows = f"SELECT {columns} FROM before.{table.qualified_name} {which}"  # noqa: S608  # names from the contract
        copy.execute(f"INSERT INTO {table.qualified_name} ({columns}) {rows}")


def _common_columns(copy: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """Name the columns that a table has both in the copy and in the snapshot before."""
    of_table = {"schema": table.schema, "name": table.name}
    here, before = (
        [name for (name,) in copy.execute(COLUMNS, {**of_table, "database": database}).fetchall()]
        for database in (None, "before")
    )
    return [name for name in here if name in before]
