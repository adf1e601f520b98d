"""Records of the API as typed structs, and the reader that makes them from the body of an answer.

A field that the column contract names lands in a typed attribute under its column's name. Every other field, and every
value of an unexpected type, is kept as the JSON text that came. A record without the fields that are required, or with
a value that cannot be believed, becomes a `Reject` with its reason, and the rest of its page is read. Nothing is
dropped.

Add a field here together with its column in `contract.warehouse`. What becomes of records, frames and tables, stays
out.

A page whose records all fit their struct is decoded at once. Any other is decoded record by record, and a record that
does not fit, field by field.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import force_setattr

from pso_pipeline.contract.limits import EARLIEST_TIME, LATEST_TIME_AHEAD, MAX_RECORD_BYTES, MAX_TEXT_BYTES

Utc = Annotated[datetime, Meta(tz=True)]
"""A date-time with its offset."""

_SURELY_SHORT = MAX_TEXT_BYTES // 4
"""Characters of a text that are within the limit whatever they are: UTF-8 has four bytes for one at most."""

Text = Annotated[str, Meta(max_length=_SURELY_SHORT)]

Required = Annotated[str, Meta(min_length=1, max_length=_SURELY_SHORT)]

_LONGEST_CURSOR = 4096
"""Characters; a cursor is the id of an item."""

_MOST_ITEMS = 100_000
"""Items that a page may hold, whatever was asked for: more of them are an attack, not an answer."""

_MOST_VALUES = 2_000_000
"""Values that a body may hold, by its commas: millions of tiny ones would take far more memory than their text."""

_LONGEST_MENDED = 8 * 1024 * 1024
"""Bytes of a body up to which it is searched for what makes it unreadable: some ten times those of a usual page."""

_DEEPEST = 100
"""Levels of nesting that are read where a body is nested deeper than Python's stack allows."""


class _Part(Struct, frozen=True, gc=False, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """An object of the API."""


class Record(_Part, frozen=True):
    """What every record has.

    `nested` names the attribute that holds an object of its own. `extra` holds the fields that no attribute takes, as a
    JSON object of the text that came, None without any; those of the nested object stand under its name:
    `{"Options": {"NewFlag": true}}`. `needs_believable_times` says whether a time out of bounds costs the record, or is
    kept as such a field.
    """

    nested: ClassVar[str]
    needs_believable_times: ClassVar[bool] = False
    extra: ClassVar[str | None] = None

    id: Required


class OrderOptions(_Part, frozen=True):
    """How far the guests of an order have checked in."""

    owner_checked_in: bool | None = None
    all_companions_checked_in: bool | None = None
    any_companion_checked_in: bool | None = None
    connector_check_in: bool | None = None


class Order(Record, frozen=True, kw_only=True):
    """A product service order (API: `productServiceOrders/getAll`, "Product service order")."""

    nested: ClassVar[str] = "options"
    needs_believable_times: ClassVar[bool] = True

    service_id: Required
    account_id: Text | None = None
    account_type: Text | None = None
    creator_profile_id: Text | None = None
    updater_profile_id: Text | None = None
    booker_id: Text | None = None
    number: Text | None = None
    state: Text | None = None
    origin: Text | None = None
    commander_origin: Text | None = None
    origin_details: Text | None = None
    created_utc: Utc
    updated_utc: Utc
    cancelled_utc: Utc | None = None
    voucher_id: Text | None = None
    business_segment_id: Text | None = None
    linked_reservation_id: Text | None = None
    options: OrderOptions | None = None


class ServiceData(_Part, frozen=True):
    """What kind of service it is: `Bookable` or `Additional`."""

    discriminator: Text | None = None


class Service(Record, frozen=True, kw_only=True):
    """A service that an enterprise sells (API: `services/getAll`, "Service")."""

    nested: ClassVar[str] = "data"

    enterprise_id: Required
    name: Text | None = None
    is_active: bool | None = None
    created_utc: Utc | None = None
    updated_utc: Utc | None = None
    data: ServiceData | None = None


class Address(_Part, frozen=True):
    """Where an enterprise is."""

    country_code: Text | None = None
    city: Text | None = None


class Enterprise(Record, frozen=True, kw_only=True):
    """An enterprise, that is a hotel (API: `enterprises/getAll`, "Enterprise")."""

    nested: ClassVar[str] = "address"

    name: Text | None = None
    time_zone_identifier: Text | None = None
    chain_id: Text | None = None
    chain_name: Text | None = None
    created_utc: Utc | None = None
    updated_utc: Utc | None = None
    linked_utc: Utc | None = None
    address: Address | None = None


R = TypeVar("R", bound=Record)


class UnreadableBody(ValueError):
    """The body of an answer is not the JSON object that the operation promises: cut off, or something else."""


class _Refused(ValueError):
    """A record cannot be read or believed; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be read or believed: the reason, which names the field, and the record as it came.

    `raw_json` is valid JSON; of a record that is too long it is a string with the beginning of its text. The ids are
    those of the record, in lower case, where they could be read.
    """

    reason: str
    raw_json: str
    id: str | None = None
    service_id: str | None = None
    enterprise_id: str | None = None


@dataclass(frozen=True, slots=True)
class Contents(Generic[R]):
    """What one answer held: readable records, rejects, the cursor, and `count`, the number of items that came."""

    records: list[R]
    rejects: list[Reject]
    cursor: str | None
    count: int


def extras(records: Sequence[Record]) -> list[str | None] | None:
    """The `extra` of each record in order; None where no record has any, which is usual."""
    found = [record.extra for record in records]
    return found if any(found) else None


class PageReader(Generic[R]):
    """Reads the answers of one operation.

    `items` is the name of the list in the answer, `record` the struct of its items. Ids of records come out in lower
    case, whatever the server writes; cursors come out as they are.
    """

    def __init__(self, items: str, record: type[R]) -> None:
        self._record = record
        self._ids = [name for name in record.__struct_fields__ if name == "id" or name.endswith("_id")]
        self._times = [name for name in record.__struct_fields__ if name.endswith("_utc")]
        self._page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_page_of(items, record))
        self._raw_page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_page_of(items, Raw))
        self._one: msgspec.json.Decoder[R] = msgspec.json.Decoder(record)

    def read(self, body: bytes) -> Contents[R]:
        """Read the body of an answer.

        Raises UnreadableBody where it is not a JSON object with the list. A character that no text can hold (half an
        emoji, a broken byte, NUL) is read as the replacement character U+FFFD, and a record that is nested too deeply
        is rejected, since either would otherwise cost the whole page.
        """
        try:
            try:
                return self._read(_mended(body) if _has_nul(body) else body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if len(body) > _LONGEST_MENDED or (mended := _mended(body)) == body:
                    raise
                return self._read(mended)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise UnreadableBody(f"the body is not readable JSON: {fault}") from None

    def _read(self, body: bytes) -> Contents[R]:
        latest = datetime.now(UTC) + LATEST_TIME_AHEAD
        try:
            page = self._page.decode(body)
        except msgspec.ValidationError:
            return self._read_each(body, latest)
        if not self._are_believable(page.items, latest):
            return self._read_each(body, latest)
        return Contents(self._in_lower_case(page.items), [], page.cursor, len(page.items))

    def _read_each(self, body: bytes, latest: datetime) -> Contents[R]:
        if body.count(b",") > _MOST_VALUES:
            raise UnreadableBody(f"the body holds more than {_MOST_VALUES} values")
        try:
            page = self._raw_page.decode(body)
        except msgspec.ValidationError as fault:
            raise UnreadableBody(f"the body is not the expected object: {fault}") from None
        records: list[R] = []
        rejects: list[Reject] = []
        for raw in page.items:
            try:
                records.append(self._read_one(raw, latest))
            except _Refused as reason:
                rejects.append(_reject(raw, str(reason)))
        return Contents(self._in_lower_case(records), rejects, page.cursor, len(page.items))

    def _read_one(self, raw: Raw, latest: datetime) -> R:
        try:
            record = self._one.decode(raw)
        except msgspec.ValidationError:
            return _read_by_field(self._record, raw, latest)
        return record if self._are_believable([record], latest) else _read_by_field(self._record, raw, latest)

    def _are_believable(self, records: Sequence[R], latest: datetime) -> bool:
        """Tell whether all times of the records are within bounds."""
        times = [*filter(None, chain.from_iterable(_columns(records, self._times)))]
        return not times or (min(times) >= EARLIEST_TIME and max(times) <= latest)

    def _in_lower_case(self, records: list[R]) -> list[R]:
        """Put the ids of the records in lower case; nearly always they are."""
        for name, ids in zip(self._ids, _columns(records, self._ids), strict=True):
            joined = "".join(filter(None, ids))
            if joined != joined.lower():
                for record, value in zip(records, ids, strict=True):
                    force_setattr(record, name, value and value.lower())
        return records


_TOO_DEEP = b'"(nested too deeply to be read)"'
"""What is in a mended body instead of a value that is nested too deeply."""


def _page_of(items: str, item: Any) -> type[Struct]:
    """The struct of an answer: a list by this name, and the cursor."""
    return msgspec.defstruct(
        "Page",
        [
            ("items", Annotated[list[item], Meta(max_length=_MOST_ITEMS)]),
            ("cursor", Annotated[str, Meta(max_length=_LONGEST_CURSOR)] | None, None),
        ],
        rename={"items": items, "cursor": "Cursor"},
        gc=False,
    )


def _columns(records: Sequence[Record], names: Sequence[str]) -> list[list[Any]]:
    """The values of these attributes, a list for each."""
    return [[*map(attrgetter(name), records)] for name in names]


def _read_by_field(kind: type[R], raw: Raw, latest: datetime) -> R:
    """Read a record that does not fit its struct; what has no attribute, or a value of another type, becomes `extra`.

    Raises _Refused for what is not an object, lacks a required field, is nested too deeply, has a time out of bounds
    where that matters, or is, or holds a text, over the limit.
    """
    fields = _fields(raw)
    if fields is None:
        raise _Refused("the record is not an object")
    text = bytes(raw)
    if _TOO_DEEP in text:
        raise _Refused("the record is nested too deeply")
    if len(text) > MAX_TEXT_BYTES and _has_long_text(text):
        name = next(
            (name for name in kind.__struct_encode_fields__ if _has_long_text(bytes(fields.get(name, b"")))), "it"
        )
        raise _Refused(f"{name} holds a text over {MAX_TEXT_BYTES // 1024} kB")
    if len(text) > MAX_RECORD_BYTES:
        raise _Refused(f"the record is over {MAX_RECORD_BYTES // 1024} kB")
    values, unmapped = _read_fields(kind, fields, latest)
    return cast("R", _with_extra(kind)(**values, extra=_object(unmapped)))


def _read_fields(kind: type[_Part], fields: dict[str, Raw], latest: datetime) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the members of an object: values by attribute, and the JSON text of those that no attribute takes."""
    values: dict[str, Any] = {}
    unmapped: dict[str, str] = {}
    attributes = _attributes(kind)
    for name, raw in fields.items():
        attribute = attributes.get(name)
        if attribute is None:
            unmapped[name] = _text(raw)
        elif attribute.part is not None and (members := _fields(raw)) is not None:
            inner, unmapped_inner = _read_fields(attribute.part, members, latest)
            values[attribute.name] = attribute.part(**inner)
            if text := _object(unmapped_inner):
                unmapped[name] = text
        else:
            try:
                values[attribute.name] = attribute.read(raw, latest)
            except _Unfit as problem:
                if attribute.is_required or (problem.is_unbelievable and attribute.must_be_believable):
                    raise _Refused(f"{name}: {problem}") from None
                unmapped[name] = _text(raw)
    for name, attribute in attributes.items():
        if attribute.is_required and name not in fields:
            raise _Refused(f"{name} is missing")
    return values, unmapped


class _Unfit(ValueError):
    """A value is of an unexpected type, or a time out of bounds; the message says which."""

    def __init__(self, problem: str, *, is_unbelievable: bool = False) -> None:
        super().__init__(problem)
        self.is_unbelievable = is_unbelievable


@dataclass(frozen=True, slots=True)
class _Attribute:
    """An attribute of a struct: how its value is read, and the struct of that where it is an object (`part`)."""

    name: str
    decoder: msgspec.json.Decoder[Any]
    part: type[_Part] | None
    is_required: bool
    must_be_believable: bool

    def read(self, raw: Raw, latest: datetime) -> Any:
        """Read a value; raises _Unfit."""
        try:
            value = self.decoder.decode(raw)
        except msgspec.ValidationError as fault:
            raise _Unfit(str(fault)) from None
        if self.is_required and value == "":
            raise _Unfit("it is empty")
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise _Unfit("it has no time zone")
            if not EARLIEST_TIME <= value <= latest:
                raise _Unfit(
                    f"{value.isoformat()} is not between {EARLIEST_TIME.date()} and {latest.date()}",
                    is_unbelievable=True,
                )
        return value


@cache
def _attributes(kind: type[_Part]) -> dict[str, _Attribute]:
    """The attributes of a struct by their names in JSON; limits of their values are judged apart from the types."""
    hints = get_type_hints(kind)
    return {
        field.encode_name: _Attribute(
            field.name,
            msgspec.json.Decoder(None if (part := _part_in(hints[field.name])) else hints[field.name]),
            part,
            field.required,
            issubclass(kind, Record) and kind.needs_believable_times,
        )
        for field in msgspec.structs.fields(kind)
    }


def _part_in(hint: Any) -> type[_Part] | None:
    """The struct that a type hint allows, if any."""
    return next((kind for kind in get_args(hint) if isinstance(kind, type) and issubclass(kind, _Part)), None)


@cache
def _with_extra(record: type[Record]) -> type[Struct]:
    """The struct of a record with a place of its own for unmapped fields, which no JSON is decoded into."""
    return msgspec.defstruct(record.__name__, [("extra", str | None)], bases=(record,), kw_only=True)


def _fields(raw: Raw) -> dict[str, Raw] | None:
    """The members of a JSON object; None where it is something else."""
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError:
        return None


_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def _object(members: dict[str, str]) -> str | None:
    """A JSON object of members in JSON; None of none."""
    if not members:
        return None
    return f"{{{','.join(f'{msgspec.json.encode(name).decode()}:{text}' for name, text in members.items())}}}"


def _text(raw: Raw) -> str:
    """The JSON text that came. msgspec checks everything in a raw value but its UTF-8."""
    return str(raw, "utf-8", "replace")


def _reject(raw: Raw, reason: str) -> Reject:
    fields = _fields(raw) or {}
    text = _text(raw)
    if len(text) > MAX_TEXT_BYTES:
        text = msgspec.json.encode(text[:MAX_TEXT_BYTES]).decode()
    return Reject(
        reason=reason,
        raw_json=text,
        id=_id(fields.get("Id")),
        service_id=_id(fields.get("ServiceId")),
        enterprise_id=_id(fields.get("EnterpriseId")),
    )


def _id(raw: Raw | None) -> str | None:
    """An id in lower case; None where it is something else than a text, or no id."""
    try:
        return None if raw is None else _ID.decode(raw).lower()
    except msgspec.ValidationError:
        return None


_ID: msgspec.json.Decoder[str] = msgspec.json.Decoder(Required)

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    rb"|(?P<odd>\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
    rb"|\\."
)
_STRING_OR_BRACKETS = re.compile(_STRING.pattern + rb"|[\[{]++|[\]}]++", re.DOTALL)


def _has_long_text(json: bytes) -> bool:
    """Tell whether a JSON text holds a text over the limit, as a value or as a name, however deep."""
    return len(json) > MAX_TEXT_BYTES and any(
        len(found.group()) > MAX_TEXT_BYTES
        and len(msgspec.json.decode(found.group(), type=str).encode()) > MAX_TEXT_BYTES
        for found in _STRING.finditer(json)
    )


def _has_nul(body: bytes) -> bool:
    """Tell whether a body that can be mended may hold the character NUL, which JSON can write and few can store."""
    return len(body) <= _LONGEST_MENDED and b"\\" in body and rb"\u0000" in body


def _mended(body: bytes) -> bytes:
    """The body without what makes all of it unreadable.

    What is not Unicode, and NUL, is replaced by U+FFFD; a control character is escaped; a byte order mark, and what is
    nested too deeply, is left out.
    """
    text = body.decode("utf-8-sig", "replace").encode()
    text = _STRING.sub(lambda string: _CONTROL.sub(lambda found: b"\\u%04x" % ord(found.group()), string.group()), text)
    text = _ESCAPE.sub(lambda found: rb"\ufffd" if found["odd"] else found.group(), text)
    return _without_depth(text)


def _without_depth(text: bytes) -> bytes:
    """The JSON text with `_TOO_DEEP` instead of each object and list below the deepest level that is read."""
    kept, begin, depth = [], 0, 0
    for found in _STRING_OR_BRACKETS.finditer(text):
        run, before = found.group(), depth
        if run[0] in b"[{":
            depth += len(run)
            if before <= _DEEPEST < depth:
                kept += [text[begin : found.start() + _DEEPEST - before], _TOO_DEEP]
        elif run[0] in b"]}":
            depth -= len(run)
            if depth <= _DEEPEST < before:
                begin = found.end() - (_DEEPEST - depth)
    return b"".join([*kept, text[begin:]]) if depth <= _DEEPEST else b"".join(kept)
