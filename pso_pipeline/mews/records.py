"""Records of the API as typed structs, and the reader that makes them from the body of an answer.

A field that the column contract names lands in a typed attribute under its column's name. Every other field is kept as
the JSON text that came. A record that cannot be read becomes a `Reject` with its reason, and the rest of its page is
read. Nothing is dropped.

Add a field here together with its column in `contract.warehouse`. What becomes of records, frames and tables, stays
out.

The API adds fields several times a year. An answer with a field unknown so far takes the slow way once; the reader then
extends the struct by that field, as raw JSON, and is fast again (0.8 µs for an order of 742 bytes, 5 µs the slow
way).
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

Utc = Annotated[datetime, Meta(tz=True)]
"""A date-time with its offset. Decoding one costs 0.02 µs more than a string does, and a broken one cannot get past."""

Required = Annotated[str, Meta(min_length=1)]

_LEARNED_NAMES = 64
"""Most unknown names that a reader learns: a server that sends ever new ones must not make classes without end."""


class _Part(Struct, frozen=True, gc=False, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """An object of the API. `learned` pairs each attribute learned at run time with its JSON key and colon."""

    learned: ClassVar[tuple[tuple[str, str], ...]] = ()


class Record(_Part, frozen=True):
    """What every record has.

    `nested` names the attribute that holds an object of its own. The other class variables are set by the reader where
    it makes a class of its own: the nested object's JSON key and colon, and whether unknown fields can be there.
    """

    nested: ClassVar[str]
    nested_key: ClassVar[str] = ""
    may_have_extra: ClassVar[bool] = False
    is_odd: ClassVar[bool] = False

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

    service_id: Required
    account_id: str | None = None
    account_type: str | None = None
    creator_profile_id: str | None = None
    updater_profile_id: str | None = None
    booker_id: str | None = None
    number: str | None = None
    state: str | None = None
    origin: str | None = None
    commander_origin: str | None = None
    origin_details: str | None = None
    created_utc: Utc
    updated_utc: Utc
    cancelled_utc: Utc | None = None
    voucher_id: str | None = None
    business_segment_id: str | None = None
    linked_reservation_id: str | None = None
    options: OrderOptions | None = None


class ServiceData(_Part, frozen=True):
    """What kind of service it is: `Bookable` or `Additional`."""

    discriminator: str | None = None


class Service(Record, frozen=True, kw_only=True):
    """A service that an enterprise sells (API: `services/getAll`, "Service")."""

    nested: ClassVar[str] = "data"

    enterprise_id: Required
    name: str | None = None
    is_active: bool | None = None
    created_utc: Utc | None = None
    updated_utc: Utc | None = None
    data: ServiceData | None = None


class Address(_Part, frozen=True):
    """Where an enterprise is."""

    country_code: str | None = None
    city: str | None = None


class Enterprise(Record, frozen=True, kw_only=True):
    """An enterprise, that is a hotel (API: `enterprises/getAll`, "Enterprise")."""

    nested: ClassVar[str] = "address"

    name: str | None = None
    time_zone_identifier: str | None = None
    chain_id: str | None = None
    chain_name: str | None = None
    created_utc: Utc | None = None
    updated_utc: Utc | None = None
    linked_utc: Utc | None = None
    address: Address | None = None


R = TypeVar("R", bound=Record)
C = TypeVar("C")
P = TypeVar("P", bound=_Part)


class UnreadableBody(ValueError):
    """The body of an answer is not the JSON object that the operation promises: cut off, or something else."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be read: the reason, which names the field, and the record as it came.

    `raw_json` is valid JSON. The ids are those of the record, where they could be read.
    """

    reason: str
    raw_json: str
    id: str | None = None
    service_id: str | None = None
    enterprise_id: str | None = None


@dataclass(frozen=True, slots=True)
class Contents(Generic[C]):
    """What one answer held: readable records, rejects, the cursor, and `count`, the number of items that came."""

    records: C
    rejects: list[Reject]
    cursor: str | None
    count: int


def extra_json(record: Record) -> str | None:
    """The fields of a record that no column is named for, as a JSON object of the text that came; None without any.

    Unknown fields of a nested object stand under its name: `{"Options": {"NewFlag": true}}`.
    """
    if not record.may_have_extra:
        return None
    if record.is_odd:
        return cast("str | None", getattr(record, _ODD_EXTRA))
    members = _members(record)
    part: _Part | None = getattr(record, record.nested)
    if part is not None and (inner := _members(part)):
        members.append(f"{record.nested_key}{_object(inner)}")
    return _object(members) if members else None


def extras(records: Sequence[Record]) -> list[str | None] | None:
    """The `extra_json` of each record in order; None where no record has any, which is usual and costs 0.02 µs each."""
    kinds: set[type[Record]] = set(map(type, records))
    if not any(kind.may_have_extra for kind in kinds):
        return None
    found = [extra_json(record) for record in records]
    return found if any(found) else None


class PageReader(Generic[R]):
    """Reads the answers of one operation, and learns the fields that the API adds.

    `items` is the name of the list in the answer, `record` the struct of its items.
    """

    def __init__(self, items: str, record: type[R]) -> None:
        self._items = items
        self._record = record
        self._part = _part_of(record)
        self._odd = msgspec.json.Decoder(_odd(record, self._part))
        self._raw_page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_page_of(items, Raw))
        self._learn(frozenset(), frozenset())

    def read(self, body: bytes) -> Contents[list[R]]:
        """Read the body of an answer.

        Raises UnreadableBody where it is not a JSON object with the list. Text that is not Unicode (half an emoji, a
        broken byte) is read with the replacement character U+FFFD, since it would otherwise cost the whole page.
        """
        try:
            try:
                return self._read(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if (mended := _as_unicode(body)) == body:
                    raise
                return self._read(mended)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise UnreadableBody(f"the body is not readable JSON: {fault}") from None

    def _read(self, body: bytes) -> Contents[list[R]]:
        try:
            return self._read_fast(body)
        except msgspec.ValidationError:
            return self._read_slowly(body)

    def _read_fast(self, body: bytes) -> Contents[list[R]]:
        page = self._page.decode(body)
        return Contents(page.items, [], page.cursor, len(page.items))

    def _read_slowly(self, body: bytes) -> Contents[list[R]]:
        try:
            page = self._raw_page.decode(body)
        except msgspec.ValidationError as fault:
            raise UnreadableBody(f"the body is not the expected object: {fault}") from None
        if self._learn_from(page.items):
            with suppress(msgspec.ValidationError):
                return self._read_fast(body)
        records: list[R] = []
        rejects: list[Reject] = []
        for raw in page.items:
            try:
                records.append(self._one.decode(raw))
            except msgspec.ValidationError:
                self._read_odd(raw, records, rejects)
        return Contents(records, rejects, page.cursor, len(page.items))

    def _read_odd(self, raw: Raw, records: list[R], rejects: list[Reject]) -> None:
        """Read a record that does not fit: it has fields that the reader did not learn, or it cannot be read."""
        try:
            record = self._odd.decode(raw)
        except msgspec.ValidationError as fault:
            rejects.append(_reject(raw, str(fault)))
        else:
            msgspec.structs.force_setattr(record, _ODD_EXTRA, _unknown(raw, self._record, self._part))
            records.append(record)

    def _learn_from(self, raws: list[Raw]) -> bool:
        """Learn the unknown names of these records, unless they are too many; whether any were learned."""
        own: set[str] = set()
        inner: set[str] = set()
        for raw in raws:
            fields = _fields(raw)
            own.update(fields)
            inner.update(_fields(fields.get(_json_name(self._record, self._record.nested))))
        names = self._names | _learnable(own, self._record)
        inner_names = self._inner_names | _learnable(inner, self._part)
        is_new = (names, inner_names) != (self._names, self._inner_names)
        if not is_new or len(names) + len(inner_names) > _LEARNED_NAMES:
            return False
        self._learn(names, inner_names)
        return True

    def _learn(self, names: frozenset[str], inner_names: frozenset[str]) -> None:
        record = _extended(self._record, self._part, names, inner_names)
        self._names, self._inner_names = names, inner_names
        self._page: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_page_of(self._items, record))
        self._one: msgspec.json.Decoder[R] = msgspec.json.Decoder(record)


_ABSENT = Raw(b"")
"""Value of a learned field that a record does not have."""

_ODD_EXTRA = "odd_extra"
"""Attribute of a record whose unknown fields were not learned: the JSON text of them all."""

_RAW_FIELDS = dict[str, Raw]


def _page_of(items: str, item: Any) -> type[Struct]:
    """The struct of an answer: a list by this name, and the cursor."""
    return msgspec.defstruct(
        "Page",
        [("items", list[item]), ("cursor", str | None, None)],
        rename={"items": items, "cursor": "Cursor"},
        gc=False,
    )


def _extended(record: type[R], part: type[_Part], names: frozenset[str], inner_names: frozenset[str]) -> type[R]:
    """The struct of a record with these JSON names as attributes too; `inner_names` in its nested object."""
    if not names and not inner_names:
        return record
    extended_part = _with_names(part, inner_names, [], {}, {})
    nested = _json_name(record, record.nested)
    return _with_names(
        record,
        names,
        [(record.nested, extended_part | None, None)],
        {record.nested: nested},
        {"may_have_extra": True, "nested_key": _key(nested)},
    )


def _with_names(
    base: type[P],
    names: frozenset[str],
    fields: list[tuple[str, Any, Any]],
    rename: dict[str, str],
    namespace: dict[str, Any],
) -> type[P]:
    attributes = {f"learned_{number}": name for number, name in enumerate(sorted(names))}
    learned = tuple((attribute, _key(name)) for attribute, name in attributes.items())
    made = msgspec.defstruct(
        base.__name__,
        [*fields, *((attribute, Raw, _ABSENT) for attribute in attributes)],
        bases=(base,),
        namespace={**namespace, "learned": learned},
        rename=rename | attributes,
        kw_only=True,
    )
    return cast("type[P]", made)


def _odd(record: type[R], part: type[_Part]) -> type[R]:
    """The struct of a record that lets unknown fields pass, and has a place for their JSON text."""
    lenient_part = msgspec.defstruct(part.__name__, [], bases=(part,), forbid_unknown_fields=False)
    made = msgspec.defstruct(
        record.__name__,
        [(record.nested, lenient_part | None, None), (_ODD_EXTRA, Any, None)],
        bases=(record,),
        namespace={"may_have_extra": True, "is_odd": True},
        rename={record.nested: _json_name(record, record.nested)},
        kw_only=True,
        forbid_unknown_fields=False,
    )
    return cast("type[R]", made)


def _part_of(record: type[Record]) -> type[_Part]:
    """The struct of a record's nested object."""
    hint = get_type_hints(record)[record.nested]
    return cast("type[_Part]", next(kind for kind in get_args(hint) if kind is not type(None)))


def _json_name(kind: type[_Part], attribute: str) -> str:
    return kind.__struct_encode_fields__[kind.__struct_fields__.index(attribute)]


def _learnable(names: set[str], kind: type[_Part]) -> frozenset[str]:
    """Those that the struct does not have and that msgspec takes as the name of a field."""
    unknown = names.difference(kind.__struct_encode_fields__)
    return frozenset(name for name in unknown if not _NOT_A_FIELD_NAME.search(name))


_NOT_A_FIELD_NAME = re.compile(r'["\\\x00-\x1f]')


def _fields(raw: Raw | None) -> dict[str, Raw]:
    """The members of a JSON object; none where it is something else."""
    if raw is None:
        return {}
    try:
        return msgspec.json.decode(raw, type=_RAW_FIELDS)
    except msgspec.ValidationError:
        return {}


def _unknown(raw: Raw, record: type[Record], part: type[_Part]) -> str | None:
    """The members of a record, and of its nested object, that their structs do not have."""
    fields = _fields(raw)
    members = _members_beyond(fields, record)
    nested = _json_name(record, record.nested)
    if inner := _members_beyond(_fields(fields.get(nested)), part):
        members.append(f"{_key(nested)}{_object(inner)}")
    return _object(members) if members else None


def _members_beyond(fields: dict[str, Raw], kind: type[_Part]) -> list[str]:
    known = kind.__struct_encode_fields__
    return [f"{_key(name)}{_text(value)}" for name, value in fields.items() if name not in known]


def _members(part: _Part) -> list[str]:
    """The members that were learned, and came."""
    return [
        f"{key}{_text(value)}" for attribute, key in part.learned if (value := getattr(part, attribute)) is not _ABSENT
    ]


def _key(name: str) -> str:
    return f"{msgspec.json.encode(name).decode()}:"


def _object(members: list[str]) -> str:
    return f"{{{','.join(members)}}}"


def _text(raw: Raw) -> str:
    """The JSON text that came. msgspec checks everything in a raw value but its UTF-8."""
    return str(raw, "utf-8", "replace")


def _reject(raw: Raw, reason: str) -> Reject:
    fields = _fields(raw)
    return Reject(
        reason=reason,
        raw_json=_text(raw),
        id=_string(fields.get("Id")),
        service_id=_string(fields.get("ServiceId")),
        enterprise_id=_string(fields.get("EnterpriseId")),
    )


def _string(raw: Raw | None) -> str | None:
    value = None if raw is None else msgspec.json.decode(raw)
    return value if isinstance(value, str) and value else None


_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."
)


def _as_unicode(body: bytes) -> bytes:
    """The body with what is not Unicode replaced by U+FFFD, and without a byte order mark."""
    text = body.decode("utf-8-sig", "replace")
    return _ESCAPE.sub(lambda found: r"\ufffd" if found["half"] else found.group(), text).encode()
