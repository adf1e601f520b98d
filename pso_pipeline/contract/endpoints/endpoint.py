"""The shape in which an operation of the API is described, from the request to the tables that its records land in.

Add a property here when every endpoint needs it. The endpoints themselves are modules next to this one.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pso_pipeline.contract.columns import Column, Table
from pso_pipeline.contract.limits import MAX_IDS

Scope = Literal["token", "enterprise", "service"]
FilterKind = Literal["ids", "texts", "text", "flag", "interval"]

EXTRA = Column(
    "extra", "JSON", "Unmapped fields: every other field that the API sent, and values of an unexpected type."
)
OBSERVED = Column("observed_utc", "TIMESTAMP", "When this version was first seen, by the server's clock.")
_LANDING_COLUMNS = (
    EXTRA,
    Column("is_missing_from_source", "BOOLEAN", "True once a full read no longer found the record."),
    Column("fetched_utc", "TIMESTAMP", "When this version was read from the API, by the server's clock."),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a request, by its name in the API: a list of ids or texts, one text or flag, or an interval.

    `limit` is how many values a list may hold. Without a filter that `is_required` the API refuses the request.
    """

    name: str
    kind: FilterKind = "ids"
    limit: int = MAX_IDS
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the API: what a request can filter by, what a record holds, and how far it is read on its own.

    `name` names the table in schema `mews`, the Dagster asset and the rows of `mews.sync_state`; `record_name` is one
    record in messages. `scope` is what has a watermark of its own:

    - `token`: all records that an access token can see are listed together; nothing is kept of earlier versions.
    - `enterprise`, `service`: records are read by these ids (`scope_filter`); `scope_path` is the field of a record
      that holds the id. Each version seen is kept, and a full read marks what the source no longer has.

    A record has the fields `Id` and, but for listings, `UpdatedUtc`, by which `interval_filter` finds changes and by
    which versions are ranked.

    What only some endpoints need:

    - `one_of`: filters of which the API wants one at least. `service_filter` is that of the hotel's services, which a
      read of all history adds, since it has no interval.
    - `unmapped`: documented fields, dotted where nested, that no column takes and that are kept with the unmapped ones.
    - `kind_column`, `kept_kinds`: records of other documented kinds are left out, unless a setting keeps them; unknown
      kinds are kept.
    - `localized`: pairs of a column and the column with its text in each language, from which it takes the hotel's.
    - `read_every`: what changes rarely is read no more often than this, the hotels of a token together (`is_slow`).
    - `is_optional`: an access token that cannot read it, or a fault of it, costs this endpoint and nothing else.
    """

    name: str
    operation: str
    response_key: str
    record_name: str
    description: str
    scope: Scope
    filters: tuple[Filter, ...]
    columns: tuple[Column, ...]
    interval_filter: str = "UpdatedUtc"
    scope_filter: str = ""
    scope_path: str = ""
    one_of: tuple[str, ...] = ()
    service_filter: str = ""
    unmapped: tuple[str, ...] = ()
    kind_column: str = ""
    kept_kinds: tuple[str, ...] = ()
    localized: tuple[tuple[str, str], ...] = ()
    read_every: timedelta = timedelta()
    is_optional: bool = False

    @property
    def is_slow(self) -> bool:
        """Whether its records change so rarely that not every refresh reads them."""
        return self.read_every > timedelta()

    @property
    def can_omit_scope(self) -> bool:
        """Whether changes can be read of everything that a token can access, without naming it."""
        return self.scope_filter not in {each.name for each in self.filters if each.is_required}

    @property
    def optional_kinds(self) -> tuple[str, ...]:
        """The documented kinds of records that are left out unless a setting keeps them."""
        documented = next((column.values for column in self.columns if column.name == self.kind_column), ())
        return tuple(kind for kind in documented if kind not in self.kept_kinds)

    @property
    def keeps_versions(self) -> bool:
        """Whether the endpoint is read scope by scope, with every version kept."""
        return self.scope != "token"

    @property
    def table(self) -> Table:
        """The table of the newest version of each record."""
        of_pipeline = _LANDING_COLUMNS if self.keeps_versions else (EXTRA,)
        return Table("mews", self.name, self.description, ("id",), (*self.columns, *of_pipeline))

    @property
    def superseded_table(self) -> Table:
        """The table of versions that a newer one has replaced."""
        description = f"Versions of each {self.record_name} that a newer one has replaced; rows are only added."
        return Table(
            "mews",
            f"superseded_{self.name}",
            description,
            ("id", "updated_utc", "observed_utc"),
            (*self.table.columns, OBSERVED),
        )

    @property
    def versions_view(self) -> Table:
        """The view of all versions, current and replaced."""
        description = f"Every version ever seen of every {self.record_name}; rows are only added."
        return Table(
            "mews",
            f"{self.name.removesuffix('s')}_versions",
            description,
            ("id", "updated_utc", "observed_utc"),
            self.superseded_table.columns,
        )

    @property
    def scope_column(self) -> str:
        """The column that holds the id of the scope."""
        return f"{self.scope}_id"

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns that a record of the API fills."""
        return tuple(column for column in self.columns if column.path is not None)

    @property
    def content(self) -> tuple[str, ...]:
        """The names of the columns by which two versions with the same `updated_utc` differ."""
        return (*(column.name for column in self.columns if column.name not in {"id", "updated_utc"}), EXTRA.name)
