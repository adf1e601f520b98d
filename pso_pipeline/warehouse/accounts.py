"""Accounts of guests and companies: their ids as hashes with a key, and forgetting one in every table.

Holds what is done to rows. The files, which keep the bytes of rows that changed, are written again in `rewriting`.
"""

import re
import secrets
from collections.abc import Collection

import duckdb
import pyarrow as pa

from pso_pipeline.contract.endpoints import ENDPOINTS
from pso_pipeline.warehouse.landing.frames import Rows, registered
from pso_pipeline.warehouse.sql import arrow_table, first_row, literal, statement
from pso_pipeline.warehouse.writing import EVERYTHING, writes

ORDERS = "mews.product_service_orders"
REJECTS = "mews.rejected_records"

ACCOUNT_TABLES = ("mews.account_key", "mews.forgotten_accounts")

KEPT_COLUMNS = ("id", "enterprise_id", "service_id", "endpoint", "scope_id")
"""Texts that name no person, and without which a row would belong to nothing."""

FREE_TEXTS = {
    table.qualified_name: (*(each.name for each in endpoint.columns if each.is_personal and not each.is_id), "extra")
    for endpoint in ENDPOINTS
    if endpoint.keeps_versions
    for table in (endpoint.table, endpoint.superseded_table)
}
"""Texts of a record that may say anything, by the tables that hold its versions."""

IS_PLAIN = "SELECT is_plain FROM mews.account_key"

WITHHELD = "withheld: it named an account that was forgotten"

SHORTEST_ID = 8
"""Least characters of an account's id: shorter ones could be a part of any word."""


def choose_account_ids(connection: duckdb.DuckDBPyConnection, *, is_plain: bool) -> bool:
    """Note how the marts hold account ids, as they are or hashed; return whether that is a change.

    Then the marts must be made again, as a new file: of what is deleted the bytes stay in a file.
    """
    if first_row(connection, IS_PLAIN) == (is_plain,):
        return False
    return _choose_account_ids(connection, is_plain=is_plain)


@writes(*EVERYTHING)
def _choose_account_ids(connection: duckdb.DuckDBPyConnection, *, is_plain: bool) -> bool:
    row = first_row(connection, IS_PLAIN)
    if row is None:
        connection.execute("INSERT INTO mews.account_key VALUES (?, ?)", [secrets.token_hex(32), is_plain])
    elif row[0] != is_plain:
        connection.execute("UPDATE mews.account_key SET is_plain = ?", [is_plain])
    return row is None or row[0] != is_plain


def make_account_key(connection: duckdb.DuckDBPyConnection) -> None:
    """Make sure that there is a key; account ids are hashed unless somebody chose otherwise."""
    if not first_row(connection, "SELECT 1 FROM mews.account_key"):
        choose_account_ids(connection, is_plain=False)


def forget_accounts(connection: duckdb.DuckDBPyConnection, account_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    """Take accounts out of every table, and note by a hash that they are to be kept out.

    Returns, for each account, how many orders and how many order items were its.

    Their orders stay, without the ids and without any text that could name a person. The bytes of what was changed stay
    in the files until those are written again.
    """
    make_account_key(connection)
    return _forget_accounts(connection, account_ids)


@writes(*EVERYTHING)
def _forget_accounts(connection: duckdb.DuckDBPyConnection, account_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    found = {identifier: _count_records(connection, identifier) for identifier in account_ids}
    parameters = {"pattern": _pattern(account_ids)}
    for identifier in account_ids:
        connection.execute(statement("landing/note_forgotten.sql"), {"id": identifier})
    for table, columns in _texts_of_tables(connection).items():
        blanked = _blanked(table, columns)
        assignments = ", ".join(f'"{column}" = {value}' for column, value in blanked.items())
        connection.execute(f"UPDATE {table} SET {assignments} WHERE {_names_one(columns)}", parameters)  # noqa: S608  # names of the catalogue and of the contract
    return found


def without_forgotten(connection: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> Rows:
    """Blank what names a forgotten account in rows that are about to land in a table."""
    columns = [each.name for each in rows.table.schema if each.name not in KEPT_COLUMNS and _is_text(each.type)]
    if not first_row(connection, "SELECT 1 FROM mews.forgotten_accounts LIMIT 1") or not columns:
        return rows
    with registered(connection, Rows("arriving", rows.table)):
        words = f"SELECT {_text(columns)} AS said FROM arriving"  # noqa: S608  # columns of the contract
        connection.execute(f"CREATE OR REPLACE TEMP VIEW arriving_texts AS {words}")
        found = [each for (each,) in connection.execute(statement("landing/find_forgotten.sql")).fetchall()]
        connection.execute("DROP VIEW arriving_texts")
        if not found:
            return rows
        values = ", ".join(f'{value} AS "{column}"' for column, value in _blanked(table, columns).items())
        query = f"SELECT * REPLACE ({values}) FROM arriving"  # noqa: S608  # columns of the contract
        return Rows(rows.name, arrow_table(connection, query, {"pattern": _pattern(found)}))


def _count_records(connection: duckdb.DuckDBPyConnection, account_id: str) -> tuple[int, int]:
    orders, items = first_row(connection, statement("queries/records_of_account.sql"), {"id": account_id}) or (0, 0)
    return orders, items


def _texts_of_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """List every table of the warehouse that has texts, with the columns of these."""
    texts: dict[str, list[str]] = {}
    for table, column in connection.execute(statement("queries/text_columns.sql")).fetchall():
        if column not in KEPT_COLUMNS and table not in ACCOUNT_TABLES:
            texts.setdefault(table, []).append(column)
    return texts


def _blanked(table: str, columns: Collection[str]) -> dict[str, str]:
    """Write, for each of these columns, what is left of it: null where it names one of the accounts.

    Of a record that names one anywhere, free text goes too; of a record that could not be read, all but its id.
    """
    values = {column: f'CASE WHEN {_names_one([column])} THEN NULL ELSE "{column}" END' for column in columns}
    for column in FREE_TEXTS.get(table, ()):
        values[column] = f'CASE WHEN {_names_one(columns)} THEN NULL ELSE "{column}" END'
    if "booker_id" in columns:
        values["booker_id"] = f"CASE WHEN {_names_one(['account_id', 'booker_id'])} THEN NULL ELSE booker_id END"
    if table == REJECTS:
        own_id = "json_extract_string(record, '$.Id')"
        kept = f"json_object('Id', CASE WHEN NOT regexp_matches(lower({own_id}), $pattern) THEN {own_id} END)"
        values["record"] = f"CASE WHEN {_names_one(columns)} THEN {kept} ELSE record END"
        values["reason"] = f"CASE WHEN {_names_one(['reason'])} THEN {literal(WITHHELD)} ELSE reason END"
    if table == "mews.sync_state":
        values["last_error"] = f"CASE WHEN {_names_one(['last_error'])} THEN {literal(WITHHELD)} ELSE last_error END"
    return values


def _names_one(columns: Collection[str]) -> str:
    return f"coalesce(regexp_matches({_text(columns)}, $pattern), FALSE)"


def _text(columns: Collection[str]) -> str:
    quoted = ", ".join(f'CAST("{column}" AS VARCHAR)' for column in columns)
    return f"lower(concat_ws(' ', {quoted}))"


def _pattern(account_ids: Collection[str]) -> str:
    return "|".join(re.escape(identifier.lower()) for identifier in account_ids)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
