"""The statements of the landing: named parts of the `.sql` files next to this module, filled from an endpoint.

A file begins with its charter; each statement in it follows a line `-- name: …`. `{{…}}` is replaced by names of the
contract; values are bound.
"""

import re
from collections.abc import Collection
from functools import cache

from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.warehouse.sql import fill, literal, statement

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def sql(file: str, name: str, endpoint: Endpoint | None = None) -> str:
    """Return a statement of a file, filled for an endpoint where it is a template."""
    text = _parts(file)[name]
    return fill(text, _names_of(endpoint)) if endpoint else text


@cache
def merge_listing(endpoint: Endpoint, ours: Collection[str] = ()) -> str:
    """Return the statement that brings a listing's table up to date; `ours` are columns that are not the API's."""
    own = {"unlisted_since_utc", "retired_utc"} & set(endpoint.table.column_names)
    names = [column.name for column in endpoint.fields if column.name != "id"]
    values = {name: f"found.{name}" for name in [*names, "extra", *ours]} | dict.fromkeys(sorted(own), "NULL")
    stored = [f"CAST(stored.{name} AS VARCHAR)" if name == "extra" else f"stored.{name}" for name in values]
    lists = {
        "stored_fields": ", ".join(stored),
        "found_fields": ", ".join(values.values()),
        "assignments": ", ".join(f"{name} = {value}" for name, value in values.items()),
    }
    return fill(sql("listings", "merge", endpoint), lists)


@cache
def _parts(file: str) -> dict[str, str]:
    _, *rest = _NAME.split(statement(f"landing/{file}.sql"))
    return dict(zip(rest[::2], rest[1::2], strict=True))


_OF_LISTED_SERVICES = """AND stored.service_id IN (
    SELECT id FROM mews.services WHERE unlisted_since_utc IS NULL AND retired_utc IS NULL
)"""


def _names_of(endpoint: Endpoint) -> dict[str, str]:
    return {
        "endpoint": literal(endpoint.name),
        "table": endpoint.table.qualified_name,
        "superseded": endpoint.superseded_table.qualified_name,
        "scope": endpoint.scope_column,
        "judged": _OF_LISTED_SERVICES if endpoint.service_filter else "",
        "content": ", ".join(endpoint.content),
        "from_newest": ", ".join(f"{name} = newest.{name}" for name in endpoint.table.column_names if name != "id"),
        "content_of_kept": ", ".join(f"kept.{name}" for name in endpoint.content),
    }
