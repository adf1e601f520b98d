"""Deriving the marts from the landed orders: what is stale, in which order the tables are made, what came out.

The tables themselves are the `.sql` files beside this module. Nothing here fetches, publishes or knows Dagster.
"""

import hashlib
import itertools
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import duckdb
from babel.core import get_global

from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.enums import CANCELED, CHECKED_IN_STATES, CONFIRMED, FIRM_STATES, PENDING_STATES, STATES
from pso_pipeline.contract.marts import INTERNAL_TABLES, MART_TABLES, MART_VIEWS, SCHEMA_VERSION
from pso_pipeline.warehouse.accounts import make_account_key
from pso_pipeline.warehouse.schema import table_ddl
from pso_pipeline.warehouse.sql import literal, statement, transaction

ORDERS_PER_BATCH = 500_000
"""Orders whose facts are made at once: memory follows this, not the warehouse."""

INPUTS = ("macros", "enterprise_inputs")
"""What figures are made from, with how dates and ages are computed; the checks need them too."""

PREPARED_ONCE = (*INPUTS, "order_states")
"""What every batch needs: its inputs and the sets of states."""

SELECTED = ("batch_services", "stale_enterprises", "stale_services", "remade_orders")
"""What of a batch is made anew: temporary tables that everything else of the batch follows from."""

FACTS = (
    "state_changes",
    "utc_offsets",
    "first_check_ins",
    "confirmations",
    "rebooking_pairs",
    "rebooked_orders",
    "order_facts",
    "changed_states",
    "first_sights",
)
"""What the facts of a batch are, whatever it consists of."""

REBOOKED = "rebooked_orders"
"""The one of them that is made here: one order for each cancellation is chosen one after the other."""

PAIRS_IN_ORDER = "SELECT order_id, other_id FROM rebooking_pairs ORDER BY canceled_at, order_id, created_at, other_id"

OF_HOTELS = ("hotels_at_hand", "landed_orders", "others_of_hotels", *FACTS, "facts_of_hotels")
OF_ORDERS = ("orders_at_hand", "landed_orders", "others_of_orders", *FACTS, "facts_of_orders")
"""The landed orders of a batch, what they are compared with and their facts: of whole hotels, or of the orders that
changed. Temporary tables and views, each made from the warehouse, the marts and those before it."""

COUNTED = (
    "kept_changes",
    "counted_orders",
    "aged_orders",
    "moved_facts",
    "recounted_days",
    "recounted_cohorts",
)
"""Temporary tables of a batch: what stays as it is stored, and what is counted.

They are committed before the marts are written: scanning rows that the same transaction wrote takes DuckDB 1.5.5 three
to five times as long, on one core.
"""

WRITTEN = (
    "fct_order_state_changes",
    "fct_product_service_orders",
    "agg_orders_daily",
    "cancellation_curve_runs",
    "dim_enterprises",
    "dim_services",
    "dim_dates",
    "derived_enterprises",
    "derived_services",
)
"""Tables of the marts, written for a batch in one transaction."""

TEMPORARY_VIEWS = (
    "new_facts",
    "order_facts",
    "changed_states",
    "first_sights",
    "other_orders",
    "landed_orders",
    "orders_at_hand",
)
TEMPORARY_TABLES = (
    "order_states",
    "enterprise_inputs",
    "requested_enterprises",
    "told_enterprises",
    "batch_enterprises",
    *SELECTED,
    "changed_orders",
    "changed_facts",
    *(name for name in (*FACTS, *COUNTED) if name not in TEMPORARY_VIEWS),
)
"""What the statements hand to each other on the connection; dropped at the end."""


def _order_state(state: str) -> tuple[str, str, bool, bool, bool, bool]:
    is_pending, is_checked_in = state in PENDING_STATES, state in CHECKED_IN_STATES
    group = "pending" if is_pending else "checked_in" if is_checked_in else state.lower()
    return state, group, state in FIRM_STATES, is_checked_in, state == CANCELED, is_pending or state == CONFIRMED


ORDER_STATES = tuple(map(_order_state, STATES))
"""The sets that each documented state belongs to, as the columns of `order_states`; an unknown state has no row."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The counts of one enterprise in all, for messages and metadata; `as_of_utc` is aware, or None before any read.

    `metrics_rows` are its rows of `mart.agg_orders_daily`.
    """

    enterprise_id: str
    as_of_utc: datetime | None
    orders_created: int
    firm_orders: int
    checked_in_orders: int
    canceled_orders: int
    mature_firm_orders_30d: int
    canceled_within_30d: int
    metrics_rows: int


@dataclass(frozen=True, slots=True)
class DerivedMarts:
    """What one derivation did.

    `enterprises_recomputed` had their facts made anew; `enterprises_aged` only those counts that time alone changed.
    Both are ids and have a headline. `rows` gives the rows of every table of the marts, by its name without schema.
    """

    enterprises_recomputed: Sequence[str]
    enterprises_aged: Sequence[str]
    headlines: Mapping[str, Headline]
    rows: Mapping[str, int]


class UnknownEnterprise(LookupError):
    """An enterprise was asked for by an id that neither the warehouse nor the marts have."""


def create_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables and views of the marts, with a comment on each of them and on each column.

    Marts that other tables or other SQL made (another version of the package), or that belong to another warehouse or
    to this one as it was before a backup was restored, are dropped and made again, empty: the next derivation fills
    them, and until then `is_complete` says that they are not. Where they are as they should be, nothing happens.
    """
    digest = _definition_digest()
    (origin,) = connection.execute("SELECT warehouse_id, derivation_id FROM mews.warehouse_info").fetchall()
    if (
        _stored(connection, "marts_definition") == (digest,)
        and (_stored(connection, "marts_origin") or ())[:2] == origin
    ):
        return
    with transaction(connection):
        connection.execute("DROP SCHEMA IF EXISTS marts.mart CASCADE; DROP SCHEMA IF EXISTS marts.internal CASCADE")
        connection.execute("CREATE SCHEMA marts.mart; CREATE SCHEMA marts.internal")
        for table in INTERNAL_TABLES:
            _create(connection, replace(table, schema=f"marts.{table.schema}"))
        for table in MART_TABLES:
            _create(connection, table)
        connection.execute("INSERT INTO marts.internal.marts_definition VALUES (?)", [digest])
        connection.execute("INSERT INTO marts.internal.marts_origin VALUES (?, ?, FALSE, uuid())", origin)
        zones = get_global("windows_zone_mapping")
        connection.execute(
            "INSERT INTO marts.internal.windows_zones SELECT unnest($names::VARCHAR[]), unnest($zones::VARCHAR[])",
            {"names": list(zones), "zones": list(zones.values())},
        )


def is_complete(connection: duckdb.DuckDBPyConnection, database: str = "marts") -> bool:
    """Tell whether the marts attached as `database` hold every hotel, so that they may be published.

    They do not from when an upgrade, or another warehouse, dropped them until a whole derivation has ended.
    """
    origin = _stored(connection, "marts_origin", database)
    return bool(origin and origin[2])


def derive(
    connection: duckdb.DuckDBPyConnection,
    enterprise_ids: Collection[str] | None = None,
    orders_per_batch: int = ORDERS_PER_BATCH,
    all_companions_environments: Collection[str] | None = None,
) -> DerivedMarts:
    """Bring the marts up to what has landed; deriving again changes nothing.

    Without `enterprise_ids` every enterprise is looked at, and those are made anew whose landed orders, completely read
    services or time zone changed: the facts and days of the orders that landings noted, or all of the enterprise where
    they did not note every change. Of the others, only the counts that time alone changed. With ids exactly these are
    recomputed, stale or not, and whole; every other stale one too where the marts are not complete. After it
    `mart.dim_enterprises.as_of_utc` is the watermark of every enterprise looked at, and all its figures are as at that
    instant.

    In the accommodation environments `all_companions_environments`, online check-in takes all companions; hotels of one
    that was added or taken away are made again. Without them, it is those that the derivation before was given.

    Enterprises are written in batches, each in one transaction with everything that tells about its enterprises: at any
    instant the tables agree with each other, and a derivation that was killed goes on where it stopped.

    Raises:
        UnknownEnterprise: An id is not known.
    """
    if all_companions_environments is not None:
        _set_environments(connection, all_companions_environments)
    make_account_key(connection)
    _run(connection, PREPARED_ONCE)
    connection.executemany("INSERT INTO order_states VALUES (?, ?, ?, ?, ?, ?)", ORDER_STATES)
    looks_at_all = enterprise_ids is None or not is_complete(connection)
    _request(connection, enterprise_ids, looks_at_all)
    if _column(connection, "SELECT 1 FROM requested_enterprises WHERE is_stale OR is_revised LIMIT 1"):
        _begin(connection)
    recomputed, aged = [], []
    for is_stale, batch in _batches(connection, orders_per_batch):
        _derive_batch(connection, is_stale, list(batch))
        made_anew = [enterprise for enterprise, is_made_anew in batch.items() if is_made_anew]
        recomputed += made_anew
        aged += sorted({*_column(connection, "SELECT enterprise_id FROM aged_orders")}.difference(made_anew))
    if recomputed:
        _run(connection, ["forget_revised"])
    if looks_at_all:
        connection.execute("UPDATE marts.internal.marts_origin SET is_complete = TRUE WHERE NOT is_complete")
    derived = DerivedMarts(
        enterprises_recomputed=recomputed,
        enterprises_aged=aged,
        headlines=_headlines(connection, [*recomputed, *aged]),
        rows=_count_rows(connection),
    )
    _drop_temporary(connection)
    return derived


def _drop_temporary(connection: duckdb.DuckDBPyConnection) -> None:
    for kind, names in (("VIEW", TEMPORARY_VIEWS), ("TABLE", TEMPORARY_TABLES)):
        for name in names:
            connection.execute(f"DROP {kind} IF EXISTS temp.{name}")


def _derive_batch(connection: duckdb.DuckDBPyConnection, is_stale: bool, enterprise_ids: Sequence[str]) -> None:
    _run(connection, ["batch_enterprises"], {"enterprise_ids": enterprise_ids})
    _run(connection, SELECTED)
    _run(connection, OF_HOTELS if is_stale else OF_ORDERS)
    _run(connection, COUNTED)
    with transaction(connection):
        _run(connection, WRITTEN)


def written_statements() -> dict[str, str]:
    """Give the statement of each table and view of the marts, by its name without schema."""
    names = [*WRITTEN, *(table.name for table in MART_VIEWS)]
    return {name: statement(f"marts/{name}.sql") for name in names}


def _set_environments(connection: duckdb.DuckDBPyConnection, codes: Collection[str]) -> None:
    """Keep the codes beside what they decide, where the checks find them too."""
    with transaction(connection):
        connection.execute("DELETE FROM marts.internal.all_companions_environments")
        connection.execute(
            "INSERT INTO marts.internal.all_companions_environments SELECT DISTINCT upper(trim(unnest(?::VARCHAR[])))",
            [list(codes)],
        )


def _begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the derivation an id, in the warehouse and in the marts.

    A process killed between the two leaves marts that do not fit, which are made again.
    """
    derivation = uuid.uuid4().hex
    connection.execute("UPDATE mews.warehouse_info SET derivation_id = ?", [derivation])
    connection.execute("UPDATE marts.internal.marts_origin SET derivation_id = ?", [derivation])


def _request(connection: duckdb.DuckDBPyConnection, enterprise_ids: Collection[str] | None, looks_at_all: bool) -> None:
    """Find out which enterprises are looked at, and which of them are stale."""
    ids = None if enterprise_ids is None else sorted(set(enterprise_ids))
    parameters = {"enterprise_ids": ids or [], "looks_at_all": looks_at_all}
    _run(connection, ["requested_enterprises"], parameters)
    if ids is None and _column(connection, "SELECT 1 FROM requested_enterprises WHERE is_stale LIMIT 1"):
        _run(connection, ["told_enterprises"])
    known = set(_column(connection, "SELECT enterprise_id FROM requested_enterprises"))
    unknown = [identifier for identifier in ids or () if identifier not in known]
    if unknown:
        raise UnknownEnterprise(f"no such enterprise in the warehouse: {', '.join(unknown)}")


def _batches(connection: duckdb.DuckDBPyConnection, orders_per_batch: int) -> list[tuple[bool, dict[str, bool]]]:
    """Split the enterprises into batches of those that are not stale, and of those that are; say of each which it is.

    A batch tells of each id whether any of its facts are made anew.
    """
    rows = connection.execute(statement("marts/batches.sql"), {"orders_per_batch": orders_per_batch}).fetchall()
    batches = itertools.groupby(rows, key=lambda row: (row[1], row[3]))
    return [
        (is_stale, {enterprise: is_stale or is_revised for enterprise, _, is_revised, _ in batch})
        for (is_stale, _), batch in batches
    ]


def _column(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [value for (value,) in connection.execute(query).fetchall()]


def _run(connection: duckdb.DuckDBPyConnection, names: Iterable[str], parameters: object = None) -> None:
    for name in names:
        if name == REBOOKED:
            _match_rebookings(connection)
        else:
            connection.execute(statement(f"marts/{name}.sql"), parameters)


def _match_rebookings(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `rebooked_orders`: the cancellations of `rebooking_pairs` that are given an order, each one of its own.

    By the time of their cancellation they take the earliest order that is left. So as many as can be are rebooked, and
    one order never excuses two cancellations. Each choice depends on the orders around it alone, so that it is the same
    whatever else is in the batch.
    """
    rebooked, taken = set(), set()
    for canceled, other in connection.execute(PAIRS_IN_ORDER).fetchall():
        if canceled not in rebooked and other not in taken:
            rebooked.add(canceled)
            taken.add(other)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {REBOOKED} AS SELECT unnest($ids::VARCHAR[]) AS order_id",
        {"ids": sorted(rebooked)},
    )


def _headlines(connection: duckdb.DuckDBPyConnection, enterprise_ids: Sequence[str]) -> dict[str, Headline]:
    rows = connection.execute(statement("marts/headlines.sql"), {"enterprise_ids": enterprise_ids}).fetchall()
    return {
        enterprise: Headline(enterprise, as_of and as_of.replace(tzinfo=UTC), *counts)
        for enterprise, as_of, *counts in rows
    }


def _count_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    counted = connection.execute(statement("marts/count_rows.sql"))
    names = [name for name, *_ in counted.description]
    return dict(zip(names, counted.fetchall()[0], strict=True))


def _create(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    is_view = table in MART_VIEWS
    connection.execute(statement(f"marts/{table.name}.sql") if is_view else table_ddl(table))
    connection.execute(
        f"COMMENT ON {'VIEW' if is_view else 'TABLE'} {table.qualified_name} IS {literal(table.description)}"
    )
    for column in table.columns:
        connection.execute(f'COMMENT ON COLUMN {table.qualified_name}."{column.name}" IS {literal(column.description)}')


def _stored(connection: duckdb.DuckDBPyConnection, table: str, database: str = "marts") -> tuple[Any, ...] | None:
    """Read the row of an internal table; None where the table is not there, or has none."""
    found = connection.execute(
        "SELECT 1 FROM information_schema.tables"
        " WHERE table_catalog = ? AND table_schema = 'internal' AND table_name = ?",
        [database, table],
    ).fetchone()
    return connection.execute(f'FROM "{database}".internal.{table}').fetchone() if found else None


def _definition_digest() -> str:
    """Digest everything that decides what stands in the marts, so that nobody has to remember to raise a version."""
    made_of = (SCHEMA_VERSION, MART_TABLES, INTERNAL_TABLES, ORDER_STATES, version("babel"))
    digest = hashlib.sha256(repr(made_of).encode())
    folder = files("pso_pipeline.warehouse").joinpath("marts")
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")):
        digest.update(statement(f"marts/{name}").encode())
    return digest.hexdigest()
