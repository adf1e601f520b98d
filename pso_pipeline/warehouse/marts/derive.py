"""Computing the marts from the landed orders: which orders and hotels are affected, and in which order tables are made.

The tables themselves are the `.sql` files of this folder. Add a table as such a file, a `Table` of the contract and its
place in `STEPS`. Nothing here fetches, publishes or knows Dagster.
"""

import dataclasses
import functools
import hashlib
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import duckdb
from babel.core import get_global

from pso_pipeline.contract.columns import Table
from pso_pipeline.contract.enums import (
    CANCELED,
    CANCELLATION_FEE,
    CHECKED_IN_STATES,
    CONFIRMED,
    FIRM_STATES,
    ORIGIN_NAMES,
    PENDING_STATES,
    REBATE_TYPES,
    SALE_TYPES,
    STATES,
)
from pso_pipeline.contract.marts import (
    AGG_CANCELLATION_CURVE,
    AGG_CHANGES,
    AGG_CONSUMPTION_AHEAD,
    AGG_ITEM_REVENUE_DAILY,
    AGG_ORDERS_DAILY,
    AGG_PICKUP,
    CANCELLATION_CURVE_RUNS,
    COMPUTED_ENTERPRISES,
    COMPUTED_SCOPES,
    DIM_DATES,
    DIM_ENTERPRISES,
    DIM_PRODUCTS,
    DIM_SERVICES,
    FCT_ORDER_ITEMS,
    FCT_ORDER_STATE_CHANGES,
    FCT_PRODUCT_SERVICE_ORDERS,
    INTERNAL_TABLES,
    MART_TABLES,
    MART_VIEWS,
    OPS_REFRESHES,
    OPS_SCHEMA_CHANGES,
    SCHEMA_VERSION,
)
from pso_pipeline.warehouse.accounts import make_account_key
from pso_pipeline.warehouse.errors import WarehouseNotMigrated
from pso_pipeline.warehouse.marts.replacing import RELATIONS, Scope, compare, replace
from pso_pipeline.warehouse.schema import table_ddl
from pso_pipeline.warehouse.sql import columns_of, fill, first_row, literal, literal_list, statement
from pso_pipeline.warehouse.writing import EVERYTHING, Part, are_tables_fixed, write, writes

ORDERS_PER_BATCH = 500_000
"""Orders and items of whole hotels that are computed in one transaction, so that a killed process loses little."""

INPUTS = ("macros", "enterprise_inputs")
"""What metrics are computed from, with how dates and ages are computed; the checks need them too."""

REBOOKED = "rebooked_orders"
"""The one relation that is not made by SQL: one order is chosen for each cancellation, one after the other."""

OTHER_RELATIONS = ("order_states", "item_types", "enterprise_inputs", "requested_enterprises", "changed_versions")
"""Temporary relations that are made before and after the steps."""

PAIRS_IN_ORDER = "SELECT order_id, other_id FROM rebooking_pairs ORDER BY canceled_at, order_id, created_at, other_id"

STEPS = (
    "affected_enterprises",
    DIM_SERVICES,
    DIM_PRODUCTS,
    "affected_orders",
    "affected_items",
    "landed_orders",
    "landed_items",
    "state_changes",
    "utc_offsets",
    "rebooking_pairs",
    REBOOKED,
    "order_values",
    FCT_PRODUCT_SERVICE_ORDERS,
    FCT_ORDER_STATE_CHANGES,
    FCT_ORDER_ITEMS,
    "affected_facts",
    "affected_days",
    "affected_cohorts",
    "counted_facts",
    AGG_ORDERS_DAILY,
    CANCELLATION_CURVE_RUNS,
    "affected_item_days",
    "counted_items",
    AGG_ITEM_REVENUE_DAILY,
    AGG_CONSUMPTION_AHEAD,
    DIM_ENTERPRISES,
    COMPUTED_ENTERPRISES,
    COMPUTED_SCOPES,
)
"""What a batch of hotels is computed by, in order.

A name is a temporary relation, which the file of that name makes. A table is one of the marts: its file selects the
rows that it has to have, which are compared with those that are stored (`SCOPES`) and replace them where they differ.
"""

OF_ORDERS = Scope("affected_orders", ("order_id", "enterprise_id"))
OF_ENTERPRISES = Scope("affected_enterprises", ("enterprise_id",))
SCOPES = {
    FCT_PRODUCT_SERVICE_ORDERS: OF_ORDERS,
    FCT_ORDER_STATE_CHANGES: OF_ORDERS,
    AGG_ORDERS_DAILY: Scope("affected_days", ("enterprise_id", "date")),
    CANCELLATION_CURVE_RUNS: Scope("affected_cohorts", ("enterprise_id", "service_id", "cohort_month")),
    FCT_ORDER_ITEMS: Scope("affected_items", ("item_id", "enterprise_id")),
    AGG_ITEM_REVENUE_DAILY: Scope("affected_item_days", ("enterprise_id", "date")),
    AGG_CONSUMPTION_AHEAD: Scope("affected_item_days", ("enterprise_id",)),
    DIM_ENTERPRISES: OF_ENTERPRISES,
    DIM_SERVICES: OF_ENTERPRISES,
    DIM_PRODUCTS: OF_ENTERPRISES,
    COMPUTED_ENTERPRISES: OF_ENTERPRISES,
    COMPUTED_SCOPES: OF_ENTERPRISES,
}
"""Which rows of each table a batch computes."""

BATCHES = "SELECT DISTINCT batch FROM requested_enterprises ORDER BY batch"
RECOMPUTED = """
    SELECT enterprise_id FROM requested_enterprises WHERE (are_all_orders_affected OR are_some_orders_affected)
"""

PUBLISHED_AS = {
    AGG_ORDERS_DAILY: AGG_ORDERS_DAILY.name,
    CANCELLATION_CURVE_RUNS: AGG_CANCELLATION_CURVE.name,
    DIM_ENTERPRISES: DIM_ENTERPRISES.name,
    DIM_SERVICES: DIM_SERVICES.name,
    DIM_PRODUCTS: DIM_PRODUCTS.name,
    DIM_DATES: DIM_DATES.name,
    AGG_ITEM_REVENUE_DAILY: AGG_ITEM_REVENUE_DAILY.name,
    AGG_CONSUMPTION_AHEAD: AGG_CONSUMPTION_AHEAD.name,
}
"""Tables that are published as a whole, with the name that they or the view over them have there."""


DO_FIT = """
    SELECT
        definition.definition_digest = $definition_digest
        AND origin.warehouse_id IS NOT DISTINCT FROM info.warehouse_id
        AND origin.derivation_id IS NOT DISTINCT FROM info.derivation_id
    FROM internal.marts_definition AS definition, internal.marts_origin AS origin, mews.warehouse_info AS info
"""


def _order_state(state: str) -> dict[str, str | bool]:
    is_pending, is_checked_in = state in PENDING_STATES, state in CHECKED_IN_STATES
    return {
        "state": state,
        "state_group": "pending" if is_pending else "checked_in" if is_checked_in else state.lower(),
        "is_firm": state in FIRM_STATES,
        "is_checked_in": is_checked_in,
        "is_canceled": state == CANCELED,
        "is_open": is_pending or state == CONFIRMED,
    }


ORDER_STATES = tuple(map(_order_state, STATES))
"""The sets that each documented state belongs to; an unknown state has no row and counts in none of them."""

ITEM_TYPES = (
    *({"item_type": each, "item_kind": "sale"} for each in SALE_TYPES),
    *({"item_type": each, "item_kind": "rebate"} for each in REBATE_TYPES),
    {"item_type": CANCELLATION_FEE, "item_kind": "cancellation_fee"},
)
"""What items of each type count as; those of other types, taxes and deposits among them, have no row."""


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
    """What one call of `derive` did.

    Orders of the hotels `enterprises_recomputed` were computed again; of those in `enterprises_recounted` time alone
    changed some counts. Both are ids and have a headline. `rows` gives the rows of the tables of the marts, by their
    names without schema; not those of `mart.agg_changes` and `mart.agg_pickup`, which are computed where they are read,
    and not those of the tables about the pipeline itself.
    """

    enterprises_recomputed: Sequence[str]
    enterprises_recounted: Sequence[str]
    headlines: Mapping[str, Headline]
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HotelRange:
    """Range `number` (from 1) of the `of` ranges that all hotels are divided into, by a hash of their ids."""

    number: int = 1
    of: int = 1

    def has(self, enterprise_id: str) -> bool:
        """Whether the hotel is in the range, as `requested_enterprises.sql` decides it too."""
        digest = hashlib.md5(enterprise_id.encode(), usedforsecurity=False).hexdigest()
        return int(digest[:8], 16) % self.of == self.number - 1


ALL_HOTELS = HotelRange()


class UnknownEnterprise(LookupError):
    """An enterprise was requested by an id that neither the warehouse nor the marts have."""


def create_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables and views of the marts, with a comment on each of them and on each column.

    Marts of another version of the package, of another warehouse, or of this one as it was before a backup was
    restored, are dropped and made again, empty. The next call of `derive` fills them; until then `is_complete` is
    false. Marts that fit are left alone.

    Raises:
        WarehouseNotMigrated: They do not fit, and are not for this process to change.
    """
    if _do_marts_fit(connection):
        return
    if are_tables_fixed(connection):
        raise WarehouseNotMigrated(
            "the marts of the lake are missing, or another version of pso_pipeline made them: run `pso migrate` "
            "with the newest version, and upgrade the others"
        )
    replace_marts(connection)


@writes(*EVERYTHING)
def replace_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the marts, whatever they hold, and make them again, empty."""
    database = marts_database(connection)
    for schema in ("mart", "internal"):
        connection.execute(f"DROP SCHEMA IF EXISTS {database}.{schema} CASCADE; CREATE SCHEMA {database}.{schema}")
    create_tables_of_marts(connection)
    connection.execute("INSERT INTO internal.marts_definition VALUES (?)", [_definition_digest()])
    connection.execute("INSERT INTO internal.marts_origin VALUES (?, ?, FALSE, uuid())", _origin(connection))
    connection.execute(
        "INSERT INTO internal.table_versions SELECT unnest($names), NULL, epoch_us(now())",
        {
            "names": [
                *PUBLISHED_AS.values(),
                AGG_CHANGES.name,
                AGG_PICKUP.name,
                OPS_REFRESHES.name,
                OPS_SCHEMA_CHANGES.name,
            ]
        },
    )
    zones = get_global("windows_zone_mapping")
    connection.execute(
        "INSERT INTO internal.windows_zones SELECT unnest($names::VARCHAR[]), unnest($zones::VARCHAR[])",
        {"names": list(zones), "zones": list(zones.values())},
    )


def create_tables_of_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables and views of the marts in the schemas `mart` and `internal`, which are there."""
    for table in (*INTERNAL_TABLES, *MART_TABLES):
        _create(connection, table)


def marts_database(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the name of the database that holds the marts: a file of their own, or the lake with everything else."""
    has_own = first_row(connection, "SELECT 1 FROM duckdb_databases() WHERE database_name = 'marts'")
    return "marts" if has_own else "warehouse"


def is_complete(connection: duckdb.DuckDBPyConnection, database: str | None = None) -> bool:
    """Return whether the marts, or those attached as `database`, hold every hotel, so that they may be published.

    They do not after an upgrade, or another warehouse, dropped them, until all hotels have been computed.
    """
    name = f'"{database or marts_database(connection)}".internal.marts_origin'
    return bool(columns_of(connection, name)) and first_row(connection, f"SELECT is_complete FROM {name}") == (True,)  # noqa: S608  # our own names


def derive(
    connection: duckdb.DuckDBPyConnection,
    enterprise_ids: Collection[str] | None = None,
    orders_per_batch: int = ORDERS_PER_BATCH,
    all_companions_environments: Collection[str] | None = None,
    hotels: HotelRange = ALL_HOTELS,
) -> DerivedMarts:
    """Bring the marts up to what has landed; calling it again changes nothing.

    Facts are computed for the orders that changed, counts for the days and months that these and time affect. All
    orders of a hotel count as changed where its time zone or services changed, or where landings did not note each
    change. Without `enterprise_ids` every hotel is brought up to date. With ids exactly these are, all of their orders;
    every other one too where the marts are not complete. After it `mart.dim_enterprises.as_of_utc` is the watermark of
    each of them, and all its metrics are as of that instant.

    In the accommodation environments `all_companions_environments`, online check-in takes all companions; hotels of one
    that was added or removed are computed again. Without them, those of the call before apply.

    Without `enterprise_ids`, `hotels` restricts the call to a range of the hotels; the marts are complete after a call
    for all of them.

    Hotels are computed in batches, each in one transaction: the tables agree with each other at any instant, and a
    process that was killed continues where it stopped.

    Raises:
        UnknownEnterprise: An id is not known.
    """
    if all_companions_environments is not None:
        _set_environments(connection, all_companions_environments)
    make_account_key(connection)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE order_states AS SELECT unnest($states, recursive := true)",
        {"states": list(ORDER_STATES)},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE item_types AS SELECT unnest($types, recursive := true)",
        {"types": list(ITEM_TYPES)},
    )
    was_complete = is_complete(connection)
    request = _Request(
        enterprise_ids=tuple(sorted(set(enterprise_ids or ()))),
        are_all_requested=enterprise_ids is None or not was_complete,
        orders_per_batch=orders_per_batch,
        range_number=hotels.number,
        ranges=hotels.of,
    )
    computed = list(_compute_all(connection, request))
    recomputed = sorted(hotel for batch in computed for hotel in batch.recomputed)
    if recomputed:
        write(connection, lambda: _run(connection, ["forget_changed_records"]), Part.MARTS)
    if request.are_all_requested and hotels == ALL_HOTELS and not was_complete:
        write(connection, lambda: connection.execute("UPDATE internal.marts_origin SET is_complete = TRUE"), Part.MARTS)
    derived = DerivedMarts(
        enterprises_recomputed=recomputed,
        enterprises_recounted=sorted({hotel for batch in computed for hotel in batch.recounted}.difference(recomputed)),
        headlines={hotel: headline for batch in computed for hotel, headline in batch.headlines.items()},
        rows=_count_rows(connection),
    )
    # one transaction: each one opens a snapshot of a lake
    write(connection, lambda: _drop_temporary(connection))
    return derived


@dataclass(frozen=True, slots=True)
class _Request:
    """Which hotels to bring up to date: those that are named, all of their orders, or all of a range."""

    enterprise_ids: Sequence[str]
    are_all_requested: bool
    orders_per_batch: int
    range_number: int
    ranges: int


@dataclass(frozen=True, slots=True)
class _Computed:
    """A batch of `hotels` that was computed: those whose orders were computed again, and those with changed counts."""

    hotels: Sequence[str]
    recomputed: Sequence[str]
    recounted: Collection[str]
    headlines: Mapping[str, Headline]
    is_last: bool


def _compute_all(connection: duckdb.DuckDBPyConnection, request: _Request) -> Iterator[_Computed]:
    """Compute the requested hotels batch by batch, each in one transaction."""
    if marts_database(connection) == "warehouse":
        yield from _compute_in_lake(connection, request)
        return
    _plan(connection, request)
    if _column(connection, f"{RECOMPUTED} LIMIT 1"):
        _begin(connection)
    for batch in _column(connection, BATCHES):
        yield write(connection, functools.partial(_compute, connection, batch), Part.MARTS)


def _compute_in_lake(connection: duckdb.DuckDBPyConnection, request: _Request) -> Iterator[_Computed]:
    """Plan each batch in the transaction that computes it, since other processes land in the meantime."""

    def plan_and_compute() -> _Computed | None:
        _plan(connection, request, hotels)
        batches = _column(connection, f"{BATCHES} LIMIT 2")
        return _compute(connection, batches[0], is_last=len(batches) == 1) if batches else None

    hotels: list[str] = []
    while computed := write(connection, plan_and_compute, Part.MARTS):
        yield computed
        hotels += computed.hotels
        if computed.is_last:
            return


def _compute(connection: duckdb.DuckDBPyConnection, batch: int, *, is_last: bool = False) -> _Computed:
    """Compute a batch of the requested hotels; the caller commits."""
    recomputed = _column(connection, f"{RECOMPUTED} AND batch = {batch}")
    recounted = _compute_batch(connection, batch)
    return _Computed(
        hotels=_column(connection, f"SELECT enterprise_id FROM requested_enterprises WHERE batch = {batch}"),  # noqa: S608  # a number
        recomputed=recomputed,
        recounted=recounted,
        headlines=_headlines(connection, sorted({*recomputed, *recounted})),
        is_last=is_last,
    )


def _compute_batch(connection: duckdb.DuckDBPyConnection, batch: int) -> set[str]:
    """Compute a batch of hotels and write what differs; return the hotels of which any count changed."""
    changed = []
    for step in STEPS:
        if isinstance(step, Table):
            if compare(connection, step, SCOPES[step]):
                changed.append(step)
        elif step == REBOOKED:
            _match_rebookings(connection)
        else:
            _run(connection, [step], {"batch": batch} if step == "affected_enterprises" else None)
    if not changed:
        return set()
    for table in changed:
        replace(connection, table)
    dated = {FCT_PRODUCT_SERVICE_ORDERS, FCT_ORDER_STATE_CHANGES, FCT_ORDER_ITEMS}
    if dated & set(changed) and compare(connection, DIM_DATES, None):
        changed.append(DIM_DATES)
        replace(connection, DIM_DATES)
    whole = [name for table, name in PUBLISHED_AS.items() if table in changed]
    _run(connection, ["changed_versions"], {"changed_tables": whole})
    _run(connection, ["table_versions"])
    return {
        enterprise
        for table in (AGG_ORDERS_DAILY, CANCELLATION_CURVE_RUNS, AGG_ITEM_REVENUE_DAILY, AGG_CONSUMPTION_AHEAD)
        for enterprise in _column(connection, f"SELECT DISTINCT enterprise_id FROM changed_{table.name}")  # noqa: S608  # the contract's name
    }


def _drop_temporary(connection: duckdb.DuckDBPyConnection) -> None:
    tables = [step.name for step in (*STEPS, DIM_DATES) if isinstance(step, Table)]
    compared = [f"{state}_{table}" for state in RELATIONS for table in tables]
    relations = [step for step in STEPS if isinstance(step, str)]
    for name in (*OTHER_RELATIONS, *relations, *compared):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def written_statements() -> dict[str, str]:
    """Give the statement of each table and view of the marts, by its name without schema."""
    names = [table.name for table in (*SCOPES, DIM_DATES, OPS_REFRESHES, OPS_SCHEMA_CHANGES, *MART_VIEWS)]
    return {name: _statement(name) for name in names}


def _statement(name: str) -> str:
    """Read the statement of a table or view, with what it holds of the contract."""
    names = {"origins": literal_list(ORIGIN_NAMES), "origin_names": literal_list(ORIGIN_NAMES.values())}
    return fill(statement(f"marts/{name}.sql"), names)


def _set_environments(connection: duckdb.DuckDBPyConnection, codes: Collection[str]) -> None:
    """Keep the codes beside what they decide, where the checks find them too."""
    wanted = sorted({code.strip().upper() for code in codes})

    def replace_codes() -> None:
        connection.execute("DELETE FROM internal.all_companions_environments")
        connection.execute("INSERT INTO internal.all_companions_environments SELECT unnest(?::VARCHAR[])", [wanted])

    if _column(connection, "SELECT code FROM internal.all_companions_environments ORDER BY code") != wanted:
        write(connection, replace_codes, Part.MARTS)


def _begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the computation an id, in the warehouse and in the marts where these are two files.

    A process killed between the two leaves marts that do not fit, which are rebuilt.
    """
    derivation = uuid.uuid4().hex
    connection.execute("UPDATE mews.warehouse_info SET derivation_id = ?", [derivation])
    connection.execute("UPDATE internal.marts_origin SET derivation_id = ?", [derivation])


def _plan(connection: duckdb.DuckDBPyConnection, request: _Request, computed: Sequence[str] = ()) -> None:
    """Make `requested_enterprises`: the hotels to bring up to date, what of them is affected, and their batches.

    The hotels `computed` are left out.
    """
    _run(connection, INPUTS)
    parameters = {**dataclasses.asdict(request), "computed_ids": list(computed)}
    _run(connection, ["requested_enterprises"], parameters)
    known = {*computed, *_column(connection, "SELECT enterprise_id FROM requested_enterprises")}
    unknown = [identifier for identifier in request.enterprise_ids if identifier not in known]
    if unknown:
        raise UnknownEnterprise(f"no such enterprise in the warehouse: {', '.join(unknown)}")


def _column(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return [value for (value,) in connection.execute(query).fetchall()]


def _run(connection: duckdb.DuckDBPyConnection, names: Iterable[str], parameters: object = None) -> None:
    for name in names:
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
    rows = connection.execute(statement("queries/headlines.sql"), {"enterprise_ids": enterprise_ids}).fetchall()
    return {
        enterprise: Headline(enterprise, as_of and as_of.replace(tzinfo=UTC), *counts)
        for enterprise, as_of, *counts in rows
    }


def _count_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    counted = connection.execute(statement("queries/count_mart_rows.sql"))
    names = [name for name, *_ in counted.description]
    return dict(zip(names, counted.fetchall()[0], strict=True))


def _create(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    is_view = table in MART_VIEWS
    connection.execute(_statement(table.name) if is_view else table_ddl(table))
    connection.execute(
        f"COMMENT ON {'VIEW' if is_view else 'TABLE'} {table.qualified_name} IS {literal(table.description)}"
    )
    if is_view and marts_database(connection) == "warehouse":
        return  # DuckLake has no comments on a view's columns
    for column in table.columns:
        connection.execute(f'COMMENT ON COLUMN {table.qualified_name}."{column.name}" IS {literal(column.description)}')


def _do_marts_fit(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether this version of the package made the marts, from the warehouse as it is."""
    try:
        return first_row(connection, DO_FIT, {"definition_digest": _definition_digest()}) == (True,)
    except (duckdb.CatalogException, duckdb.BinderException):  # another version has other tables, or columns
        return False


def _origin(connection: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    return first_row(connection, "SELECT warehouse_id, derivation_id FROM mews.warehouse_info") or ()


def _definition_digest() -> str:
    """Digest everything that determines the content of the marts, so that nobody has to remember to raise a version."""
    made_of = (SCHEMA_VERSION, MART_TABLES, INTERNAL_TABLES, ORDER_STATES, ITEM_TYPES, version("babel"))
    digest = hashlib.sha256(repr(made_of).encode())
    folder = files("pso_pipeline.warehouse").joinpath("marts")
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")):
        digest.update(_statement(name.removesuffix(".sql")).encode())
    return digest.hexdigest()
