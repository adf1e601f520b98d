"""The shape in which every table is described: from it come DDL, frame types, comments and the columns in the web UI.

Add a property here when every table needs it. The tables themselves are in `endpoints`, `warehouse` and `marts`.
"""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal[
    "VARCHAR",
    "BIGINT",
    "INTEGER",
    "DOUBLE",
    "DECIMAL(18,4)",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
    "JSON",
    "VARCHAR[]",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its DuckDB type, and one sentence for the people who read it.

    `path` is the field of the API's record that the column holds, dotted where nested; None where the pipeline fills
    the column. A record without a `required` field cannot land: it is kept in `mews.rejected_records`. One
    without a field that `is_promised` lands and is reported. `values` are those that the API documents for the field;
    other values land too, and are reported. `is_personal` says that the column can name or describe a person.
    Every TIMESTAMP is UTC; every DATE in the marts is local to the property.
    """

    name: str
    type: ColumnType
    description: str
    path: str | None = None
    required: bool = False
    is_promised: bool = False
    is_personal: bool = False
    values: tuple[str, ...] = ()

    @property
    def is_id(self) -> bool:
        """Whether the column holds ids of the API, which are the same id in either case."""
        return self.name == "id" or self.name.endswith("_id")


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
