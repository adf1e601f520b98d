"""The shape in which every table is described: from it come DDL, frame types, comments and the columns in the web UI.

Add a property here when every table needs it. The tables themselves stand in `warehouse.py` and `marts.py`.
"""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "JSON"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its DuckDB type, and one sentence for the people who read it.

    `api_name` is the field of the API's record that it holds, dotted where nested; None where the column is our own.
    A `required` field is one without which a record cannot be landed; such a record is kept in `mews.rejected_records`.
    Every TIMESTAMP is UTC; every DATE in the marts is local to the property.
    """

    name: str
    type: ColumnType
    description: str
    api_name: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: schema, name, a first sentence a manager understands, what one row is, its columns in order."""

    schema: str
    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def qualified_name(self) -> str:
        """Schema and name, as SQL writes them."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the table."""
        return tuple(column.name for column in self.columns)
