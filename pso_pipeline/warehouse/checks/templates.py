"""The statements of the checks, filled from the description of an endpoint.

`{{…}}` in a `.sql` file next to this module is replaced by names and documented values of the contract. Add a
placeholder here; what a check counts is in its file.
"""

from functools import cache

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.warehouse.sql import fill, literal, statement


@cache
def sql(name: str, endpoint: Endpoint) -> str:
    """Return a statement, filled for an endpoint where it is a template."""
    return fill(statement(f"checks/{name}.sql"), _names_of(endpoint))


def _names_of(endpoint: Endpoint) -> dict[str, str]:
    # a record without a required field is rejected, but rows are older than a required column that is new
    promised = [column for column in endpoint.fields if column.required or column.is_promised]
    documented = [column for column in endpoint.fields if column.values]
    judged = [*(f"{each.name} IS NULL AS lacks_{each.name}" for each in promised), *(each.name for each in documented)]
    return {
        "endpoint": literal(endpoint.name),
        "table": endpoint.table.qualified_name,
        "judged": ", ".join(judged),
        "found": ", ".join([*map(_found_null, promised), *map(_found_value, documented)]),
        # listings keep no time at which a record was read
        "unmapped": ", ".join(map(literal, sorted({path.split(".")[0] for path in endpoint.unmapped}))),
        "read_utc": "records.fetched_utc" if endpoint.keeps_versions else "NULL::TIMESTAMP",
    }


def _found_null(column: Column) -> str:
    return f"CASE WHEN lacks_{column.name} THEN {literal(f'{_label(column)} null')} END"


def _found_value(column: Column) -> str:
    values = ", ".join(map(literal, column.values))
    return f"CASE WHEN {column.name} NOT IN ({values}) THEN {literal(f'{_label(column)} ')} || {column.name} END"


def _label(column: Column) -> str:
    return column.name.replace("_", " ")
