"""Records of the API as rows, read from the body of an answer by the description of its endpoint.

A field that a column names lands in that column. Every other field, and every value of an unexpected type, is kept in
`extra` as the JSON text that came. A record without the fields that are required, or with a value that cannot be
believed, becomes a `Reject` with its reason, and the rest of its page is read. Nothing is dropped.

Nothing here knows a field by its name: add fields to the endpoint. What becomes of rows stays out.

A page whose records hold the described fields alone is decoded at once; any other record by record, field by field.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from pso_pipeline.contract.columns import Column, ColumnType
from pso_pipeline.contract.endpoints import Endpoint
from pso_pipeline.contract.limits import EARLIEST_TIME, LATEST_TIME_AHEAD, MAX_RECORD_BYTES, MAX_TEXT_BYTES
from pso_pipeline.mews.mending import LONGEST_MENDED, TOO_DEEP, has_long_text, has_nul, mend

Rows = dict[str, list[Any]]
"""Records by column: for each column that the API fills, and for `extra`, the values of all records in their order."""

_SURELY_SHORT = MAX_TEXT_BYTES // 4
"""Characters of a text that are within the limit whatever they are: UTF-8 has four bytes for one at most."""

_LONGEST_CURSOR = 4096
"""Characters; a cursor is the id of an item."""

_MOST_ITEMS = 100_000
"""Items that a page may hold, whatever was requested: more of them are an attack, not an answer."""

_MOST_VALUES = 2_000_000
"""Values that a body may hold, by its commas: millions of tiny ones would take far more memory than their text."""

TOO_DEEP_TEXT = TOO_DEEP.decode()

_STEP = Decimal("0.0001")
_LARGEST_AMOUNT = Decimal(10) ** 14
"""DECIMAL(18,4) holds 14 digits before the point and 4 after it."""

_Text = Annotated[str, Meta(max_length=_SURELY_SHORT)]
_WHOLE_TYPES: dict[ColumnType, Any] = {
    "VARCHAR": _Text,
    "BIGINT": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    "DOUBLE": float,
    "DECIMAL(18,4)": Decimal,
    "BOOLEAN": bool,
    "DATE": date,
    "TIMESTAMP": Annotated[datetime, Meta(tz=True)],
    "VARCHAR[]": Annotated[list[_Text], Meta(max_length=1000)],
}
"""What a value has to be so that its page can be decoded at once."""

_TYPES = _WHOLE_TYPES | {"VARCHAR": str, "VARCHAR[]": list[str], "TIMESTAMP": datetime}
"""What a value has to be to land in its column; the length of texts is judged for the whole record."""


class UnreadableBody(ValueError):
    """The body of an answer is not the JSON object that the operation promises: cut off, or something else."""


class _Refused(ValueError):
    """A record cannot be read or believed; the message is the reason."""


class _Unfit(ValueError):
    """A value is of an unexpected type, or a time out of bounds (`is_unbelievable`); the message says which."""

    def __init__(self, problem: str, *, is_unbelievable: bool = False) -> None:
        super().__init__(problem)
        self.is_unbelievable = is_unbelievable


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be read or believed: the reason, which names the field, and the record as it came.

    `raw_json` is valid JSON; of a record that is too long it is a string with the beginning of its text. The ids are
    those of the record, in lower case, where they could be read.
    """

    reason: str
    raw_json: str
    id: str | None = None
    scope_id: str | None = None
    enterprise_id: str | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What one answer held: rows of readable records, rejects, the cursor, and `count`, the number of items."""

    rows: Rows
    rejects: list[Reject]
    cursor: str | None
    count: int


class PageReader:
    """Reads the answers of one endpoint.

    Ids of records are returned in lower case, whatever the server writes; cursors as they are.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._columns = endpoint.fields
        self._required = {column.name: column.path for column in self._columns if column.required}
        self._fields = _field_tree(endpoint)
        self._page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            _page_of(endpoint, _struct("Record", self._fields))
        )
        self._raw_page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_page_of(endpoint, Raw))
        self._decoders = {column.name: msgspec.json.Decoder(_type_of(column, _TYPES)) for column in self._columns}

    def read(self, body: bytes) -> Contents:
        """Read the body of an answer.

        Raises UnreadableBody where it is not a JSON object with the list. A character that no text can hold (half an
        emoji, a broken byte, NUL) is read as the replacement character U+FFFD, and a record that is nested too deeply
        is rejected, since either would otherwise cost the whole page.
        """
        try:
            try:
                return self._read(mend(body) if has_nul(body) else body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if len(body) > LONGEST_MENDED or (mended := mend(body)) == body:
                    raise
                return self._read(mended)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise UnreadableBody(f"the body is not readable JSON: {fault}") from None

    def nothing(self) -> Contents:
        """Return what an answer without a body holds."""
        return Contents(self._no_rows(), [], None, 0)

    def _no_rows(self) -> Rows:
        return {name: [] for name in (*(column.name for column in self._columns), "extra")}

    def _read(self, body: bytes) -> Contents:
        latest = datetime.now(UTC) + LATEST_TIME_AHEAD
        try:
            page = self._page.decode(body)
        except msgspec.ValidationError:
            return self._read_each(body, latest)
        rows = {column.name: _values(page.items, column) for column in self._columns}
        if not all(_are_believable(rows[column.name], column, latest) for column in self._columns):
            return self._read_each(body, latest)
        extra = _unmapped_of(page.items, self._fields) if self._endpoint.unmapped else [None] * len(page.items)
        if not all(text is None or (len(text) <= _SURELY_SHORT and TOO_DEEP_TEXT not in text) for text in extra):
            return self._read_each(body, latest)
        rows["extra"] = extra
        return Contents(self._in_lower_case(rows), [], page.cursor, len(page.items))

    def _read_each(self, body: bytes, latest: datetime) -> Contents:
        if body.count(b",") > _MOST_VALUES:
            raise UnreadableBody(f"the body holds more than {_MOST_VALUES} values")
        try:
            page = self._raw_page.decode(body)
        except msgspec.ValidationError as fault:
            raise UnreadableBody(f"the body is not the expected object: {fault}") from None
        rows = self._no_rows()
        rejects: list[Reject] = []
        for raw in page.items:
            try:
                record = self._read_record(raw, latest)
            except _Refused as reason:
                rejects.append(_reject(self._endpoint, raw, str(reason)))
            else:
                for name, values in rows.items():
                    values.append(record.get(name))
        return Contents(self._in_lower_case(rows), rejects, page.cursor, len(page.items))

    def _read_record(self, raw: Raw, latest: datetime) -> dict[str, Any]:
        """Read a record by its fields: values by column, and what no column takes as `extra`.

        Raises _Refused for what is not an object, lacks a required field, is nested too deeply, has a time out of
        bounds where that matters, or is, or holds a text, over the limit.
        """
        members = _members(raw)
        if members is None:
            raise _Refused("the record is not an object")
        text = bytes(raw)
        if TOO_DEEP in text:
            raise _Refused("the record is nested too deeply")
        if has_long_text(text):
            name = next((name for name in self._fields if has_long_text(bytes(members.get(name, b"")))), "it")
            raise _Refused(f"{name} holds a text over {MAX_TEXT_BYTES // 1024} kB")
        if len(text) > MAX_RECORD_BYTES:
            raise _Refused(f"the record is over {MAX_RECORD_BYTES // 1024} kB")
        values: dict[str, Any] = {}
        values["extra"] = self._read_object(self._fields, members, values, latest)
        for name, path in self._required.items():
            if name not in values:
                raise _Refused(f"{path} is missing")
        return values

    def _read_object(
        self, fields: "_Fields", members: dict[str, Raw], values: dict[str, Any], latest: datetime
    ) -> str | None:
        """Read an object's members into `values`; return those that no column takes, as a JSON object."""
        unmapped: dict[str, str] = {}
        for name, raw in members.items():
            field = fields.get(name)
            text: str | None
            if isinstance(field, Column):
                text = self._read_column(field, raw, values, latest)
            elif isinstance(field, dict) and (inner := _members(raw)) is not None:
                text = self._read_object(field, inner, values, latest)
            else:
                text = _text(raw) if field is None else _json(raw)
            if text is not None:
                unmapped[name] = text
        if self._endpoint.unmapped:  # in the order in which a page that is decoded at once has them
            unmapped = {name: unmapped[name] for name in (*fields, *unmapped) if name in unmapped}
        return _object(unmapped)

    def _read_column(self, column: Column, raw: Raw, values: dict[str, Any], latest: datetime) -> str | None:
        """Read a column into `values`; return its JSON text where that is kept too, or instead."""
        try:
            values[column.name] = value = self._read_value(column, raw, latest)
        except _Unfit as problem:
            if column.required or (problem.is_unbelievable and self._endpoint.keeps_versions):
                raise _Refused(f"{column.path}: {problem}") from None
            return _text(raw)
        is_rounded = isinstance(value, Decimal) and value != msgspec.json.decode(raw, type=Decimal)
        return _text(raw) if is_rounded else None

    def _read_value(self, column: Column, raw: Raw, latest: datetime) -> Any:
        """Read the value of a column; an amount with more than four decimals is rounded. Raises _Unfit."""
        if column.type == "JSON":
            return _json(raw)
        try:
            value = self._decoders[column.name].decode(raw)
        except msgspec.ValidationError as fault:
            raise _Unfit(str(fault)) from None
        if column.required and value == "":
            raise _Unfit("it is empty")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise _Unfit("it has no time zone")
        if isinstance(value, date) and not _is_in_bounds(value, latest):
            bounds = f"{EARLIEST_TIME.date()} and {latest.date()}"
            raise _Unfit(f"{value.isoformat()} is not between {bounds}", is_unbelievable=True)
        if isinstance(value, Decimal):
            if not _fits(value):
                raise _Unfit(f"the amount does not fit in {column.type}", is_unbelievable=True)
            return value.quantize(_STEP)
        return value

    def _in_lower_case(self, rows: Rows) -> Rows:
        """Put the ids of the records in lower case; nearly always they are."""
        for column in self._columns:
            if column.is_id:
                joined = "".join(filter(None, rows[column.name]))
                if joined != joined.lower():
                    rows[column.name] = [value and value.lower() for value in rows[column.name]]
        return rows


class _Unmapped:
    """Stands for a field that is documented and that no column takes."""


_UNMAPPED = _Unmapped()

_Fields = dict[str, "Column | _Unmapped | _Fields"]
"""The described fields of an object by their names: columns, those kept unmapped, and objects with fields of their own.
"""


def _field_tree(endpoint: Endpoint) -> _Fields:
    tree: _Fields = {}
    described: list[tuple[str, Column | _Unmapped]] = [(str(column.path), column) for column in endpoint.fields]
    for path, column in [*described, *((path, _UNMAPPED) for path in endpoint.unmapped)]:
        *outer, name = path.split(".")
        fields = tree
        for part in outer:
            inner = fields.setdefault(part, {})
            if not isinstance(inner, dict):
                raise TypeError(f"{endpoint.name}: {part} is a column and an object")
            fields = inner
        fields[name] = column
    return tree


def _type_of(column: Column, types: dict[ColumnType, Any]) -> Any:
    if column.type == "JSON":
        return Raw
    return types[column.type] if column.required else types[column.type] | None


def _struct(name: str, fields: _Fields) -> type[Struct]:
    """Make the struct of an object that has these fields and no others."""
    members: list[Any] = []
    for field_name, field in fields.items():
        kind: Any
        if isinstance(field, _Unmapped):
            kind, is_required = Raw, False
        elif isinstance(field, Column):
            kind, is_required = _type_of(field, _WHOLE_TYPES), field.required
            if is_required and field.type == "VARCHAR":
                kind = Annotated[str, Meta(min_length=1, max_length=_SURELY_SHORT)]
        else:
            kind, is_required = _struct(field_name, field), _has_required(field)
            kind = kind if is_required else kind | None
        default = Raw(b"null") if kind is Raw else None
        members.append((field_name, kind) if is_required else (field_name, kind, default))
    return msgspec.defstruct(name, members, forbid_unknown_fields=True, kw_only=True, gc=False)


def _has_required(fields: _Fields) -> bool:
    return any(
        field.required if isinstance(field, Column) else isinstance(field, dict) and _has_required(field)
        for field in fields.values()
    )


def _page_of(endpoint: Endpoint, item: Any) -> Any:
    """Make the struct of an answer: a list by the endpoint's name for it, and the cursor."""
    return msgspec.defstruct(
        "Page",
        [
            ("items", Annotated[list[item], Meta(max_length=_MOST_ITEMS)]),
            ("cursor", Annotated[str, Meta(max_length=_LONGEST_CURSOR)] | None, None),
        ],
        rename={"items": endpoint.response_key, "cursor": "Cursor"},
        gc=False,
    )


@cache
def page_reader(endpoint: Endpoint) -> PageReader:
    """Return the reader of an endpoint's answers, one for the process."""
    return PageReader(endpoint)


def _values(items: list[Any], column: Column) -> list[Any]:
    """Read a column of decoded records; the fields of an object that is null are null."""
    for name in str(column.path).split("."):
        items = [getattr(item, name, None) for item in items]
    if column.type == "JSON":
        return [None if item is None else _json(item) for item in items]
    return items


def _unmapped_of(items: list[Any], fields: _Fields) -> list[str | None]:
    """Write, for each decoded object, its unmapped fields as a JSON object; None where it has none."""
    columns = []
    for name, field in fields.items():
        if isinstance(field, Column):
            continue
        values = [getattr(item, name, None) for item in items]
        texts = (
            _unmapped_of(values, field)
            if isinstance(field, dict)
            else [None if value is None else _json(value) for value in values]
        )
        columns.append((f"{msgspec.json.encode(name).decode()}:", texts))
    names = [name for name, _ in columns]
    return [
        f"{{{','.join([name + text for name, text in zip(names, row, strict=True) if text is not None])}}}"
        if any(row)
        else None
        for row in zip(*(texts for _, texts in columns), strict=True)
    ] or [None] * len(items)


def _are_believable(values: list[Any], column: Column, latest: datetime) -> bool:
    """Check whether the values of a decoded page can land as they are."""
    if column.type not in ("TIMESTAMP", "DATE", "DECIMAL(18,4)", "JSON"):
        return True
    found = [value for value in values if value is not None]
    if column.type == "DECIMAL(18,4)":
        in_bounds = all(map(Decimal.is_finite, found)) and min(found, default=_STEP) > -_LARGEST_AMOUNT
        return in_bounds and max(found, default=_STEP) < _LARGEST_AMOUNT and all(v == v.quantize(_STEP) for v in found)
    if column.type == "JSON":
        return all(len(value) <= _SURELY_SHORT and TOO_DEEP_TEXT not in value for value in found)
    return not found or (_is_in_bounds(min(found), latest) and _is_in_bounds(max(found), latest))


def _is_in_bounds(value: date, latest: datetime) -> bool:
    if isinstance(value, datetime):
        return EARLIEST_TIME <= value <= latest
    return EARLIEST_TIME.date() <= value <= latest.date()


def _fits(value: Decimal) -> bool:
    return value.is_finite() and abs(value) < _LARGEST_AMOUNT and abs(value.quantize(_STEP)) < _LARGEST_AMOUNT


def _members(raw: Raw) -> dict[str, Raw] | None:
    """Return the members of a JSON object; None where it is something else."""
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError:
        return None


_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def _object(members: dict[str, str]) -> str | None:
    """Write a JSON object of members in JSON; None of none."""
    if not members:
        return None
    return f"{{{','.join(f'{msgspec.json.encode(name).decode()}:{text}' for name, text in members.items())}}}"


def _json(raw: Raw) -> str | None:
    text = _text(raw)
    return None if text == "null" else text


def _text(raw: Raw) -> str:
    """Return the JSON text that came. msgspec checks everything in a raw value but its UTF-8."""
    return str(raw, "utf-8", "replace")


def _reject(endpoint: Endpoint, raw: Raw, reason: str) -> Reject:
    members = _members(raw) or {}
    text = _text(raw)
    if len(text) > MAX_TEXT_BYTES:
        text = msgspec.json.encode(text[:MAX_TEXT_BYTES]).decode()
    return Reject(
        reason=reason,
        raw_json=text,
        id=_id(members.get("Id")),
        scope_id=_id(members.get(endpoint.scope_path)),
        enterprise_id=_id(members.get("EnterpriseId")),
    )


def _id(raw: Raw | None) -> str | None:
    """Read an id in lower case; None where it is something else than a text, or no id."""
    try:
        return None if raw is None else _ID.decode(raw).lower()
    except msgspec.ValidationError:
        return None


_ID: msgspec.json.Decoder[str] = msgspec.json.Decoder(Annotated[str, Meta(min_length=1, max_length=_SURELY_SHORT)])
