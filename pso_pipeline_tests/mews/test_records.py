import copy
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_type_hints

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pso_pipeline.contract.endpoints import ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES
from pso_pipeline.mews.records import (
    Contents,
    Enterprise,
    Order,
    PageReader,
    Record,
    Reject,
    Service,
    UnreadableBody,
    extras,
)

EXAMPLE = (Path(__file__).parent / "example_response.json").read_bytes()
ORDER = json.loads(EXAMPLE)["ProductServiceOrders"][0]
STRUCTS = {
    Order: ("ProductServiceOrders", PRODUCT_SERVICE_ORDERS),
    Service: ("Services", SERVICES),
    Enterprise: ("Enterprises", ENTERPRISES),
}
REQUIRED = {"Id", "ServiceId", "CreatedUtc", "UpdatedUtc"}


@pytest.fixture
def reader() -> PageReader[Order]:
    return PageReader("ProductServiceOrders", Order)


def page(*records, cursor="c") -> bytes:
    return json.dumps({"ProductServiceOrders": list(records), "Cursor": cursor}).encode()


def order(**changes):
    """The specification's order with some fields changed; `...` leaves one out."""
    changed = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    return changed | {"Options": dict(changed["Options"])} if isinstance(changed.get("Options"), dict) else changed


def kept(record: Record) -> str:
    assert record.extra is not None
    return record.extra


def at_path(record: Record, path: str):
    """The value of a record's field by its name in the API, dotted where nested."""
    value: Any = record
    for name in path.split("."):
        kind = type(value)
        value = getattr(value, kind.__struct_fields__[kind.__struct_encode_fields__.index(name)])
    return value


def test_the_specification_s_example_is_read_with_all_its_values(reader):
    contents = reader.read(EXAMPLE)
    (record,) = contents.records
    assert (contents.rejects, contents.count, contents.cursor) == ([], 1, ORDER["Id"])
    for name, value in ORDER.items():
        if name == "Options":
            assert {key: at_path(record, f"Options.{key}") for key in value} == value
        elif name.endswith("Utc") and value is not None:
            assert at_path(record, name) == datetime(2023, 4, 23, 14, 58, 2, tzinfo=UTC)
        else:
            assert at_path(record, name) == value
    assert record.extra is None
    assert extras(contents.records) is None


@pytest.mark.parametrize("struct", STRUCTS)
def test_structs_and_column_contract_are_in_step(struct):
    columns = {column.path: column for column in STRUCTS[struct][1].columns if column.path}
    paths = {}
    for field in msgspec.structs.fields(struct):
        if field.name == struct.nested:
            hint = get_type_hints(struct)[field.name]
            nested = next(kind for kind in hint.__args__ if kind is not type(None))
            for inner in msgspec.structs.fields(nested):
                paths[f"{field.encode_name}.{inner.encode_name}"] = (inner, nested)
        else:
            paths[field.encode_name] = (field, struct)
    assert paths.keys() == columns.keys()
    types = {"VARCHAR": str, "TIMESTAMP": datetime, "BOOLEAN": bool}
    for path, (field, owner) in paths.items():
        column = columns[path]
        assert field.required == column.required, path
        assert get_type_hints(owner)[field.name] in (types[column.type], types[column.type] | None), path
        assert field.name == column.name or owner is not struct


@pytest.mark.parametrize("struct", STRUCTS)
def test_a_record_with_required_fields_alone_lands(struct):
    items, table = STRUCTS[struct]
    record = {column.path: "2024-01-01T00:00:00Z" for column in table.columns if column.required}
    contents = PageReader(items, struct).read(json.dumps({items: [record], "Cursor": None}).encode())
    assert (len(contents.records), contents.rejects) == (1, [])


@pytest.mark.parametrize("struct", STRUCTS)
@pytest.mark.parametrize("broken", [..., None, "", 5, [], {}])
def test_without_a_required_field_a_record_is_rejected(struct, broken):
    items, table = STRUCTS[struct]
    required = [str(column.path) for column in table.columns if column.required]
    for name in required:
        record = dict.fromkeys(required, "2024-01-01T00:00:00Z") | {name: broken}
        if broken is ...:
            del record[name]
        contents = PageReader(items, struct).read(json.dumps({items: [record], "Cursor": None}).encode())
        assert contents.records == []
        (reject,) = contents.rejects
        assert name in reject.reason
        assert json.loads(reject.raw_json) == record


@pytest.mark.parametrize("name", [name for name in ORDER if name not in REQUIRED])
def test_a_field_that_is_not_required_may_be_null_or_absent(reader, name):
    contents = reader.read(page(order(**{name: None}), order(**{name: ...})))
    assert contents.rejects == []
    assert [at_path(record, name) for record in contents.records] == [None, None]


FIELDS = [
    (struct, str(column.path), column.type, column.required)
    for struct, (_, table) in STRUCTS.items()
    for column in table.columns
    if column.path
]
WRONG_VALUES = {
    "VARCHAR": [5, -1.5, True, [], ["a"], {}, {"a": 1}, 10**400],
    "BOOLEAN": ["yes", "true", 0, 1, [], {}, {"a": True}],
    "TIMESTAMP": [
        1682261882,
        True,
        [],
        {},
        "",
        "yesterday",
        "2023-02-30T00:00:00Z",
        "2023-04-23",
        "2023-04-23T14:58:02",
        "9999-99-99T99:99:99Z",
    ],
}
UNBELIEVABLE_TIMES = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1989-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    f"{datetime.now(UTC).year + 11}-12-31T00:00:00Z",
]
WHOLE = {
    Order: ORDER,
    Service: {
        "Id": "s1",
        "EnterpriseId": "e1",
        "Name": "Breakfast",
        "IsActive": True,
        "CreatedUtc": "2020-01-01T00:00:00Z",
        "UpdatedUtc": "2020-01-01T00:00:00Z",
        "Data": {"Discriminator": "Additional"},
    },
    Enterprise: {
        "Id": "e1",
        "Name": "Sample Hotel",
        "TimeZoneIdentifier": "Europe/Oslo",
        "ChainId": "c1",
        "ChainName": "Sample Hotels",
        "CreatedUtc": "2020-01-01T00:00:00Z",
        "UpdatedUtc": "2020-01-01T00:00:00Z",
        "LinkedUtc": "2020-01-01T00:00:00Z",
        "Address": {"CountryCode": "NO", "City": "Oslo"},
    },
}


def with_value(struct, path, value):
    """A whole record with one value changed; `...` leaves it out."""
    outer, _, inner = path.rpartition(".")
    changed = copy.deepcopy(WHOLE[struct])
    members = changed[outer] if outer else changed
    if value is ...:
        del members[inner]
    else:
        members[inner] = value
    return changed


def nest(path, value):
    """The object in which a value is found by its path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def read_with_neighbours(struct, changed, text=None):
    """Read a page of a good record, the one given, and another good one; a good one must come through whatever."""
    good = [WHOLE[struct] | {"Id": name} for name in ("before", "after")]
    items = STRUCTS[struct][0]
    sent = json.dumps({items: [good[0], "@@", good[1]], "Cursor": "c"}).replace('"@@"', text or json.dumps(changed))
    contents = PageReader(items, struct).read(sent.encode())
    assert [record.id for record in contents.records if record.id in ("before", "after")] == ["before", "after"]
    assert contents.count == 3
    odd = [record for record in contents.records if record.id not in ("before", "after")]
    assert len(odd) + len(contents.rejects) == 1
    return odd[0] if odd else contents.rejects[0]


@pytest.mark.parametrize(
    ("struct", "path", "value"),
    [(struct, path, value) for struct, path, kind, required in FIELDS if not required for value in WRONG_VALUES[kind]],
)
def test_a_value_of_an_unexpected_type_is_kept_and_costs_no_record(struct, path, value):
    record = read_with_neighbours(struct, with_value(struct, path, value))
    assert isinstance(record, struct)
    assert at_path(record, path) is None
    assert json.loads(kept(record)) == nest(path, value)
    for _, other, kind, _ in (field for field in FIELDS if field[0] is struct and field[1] != path):
        held, sent = at_path(record, other), WHOLE[struct]
        for name in other.split("."):
            sent = sent[name]
        assert held == (datetime.fromisoformat(sent) if kind == "TIMESTAMP" and sent else sent)


@pytest.mark.parametrize(
    ("struct", "path", "value"),
    [(struct, path, value) for struct, path, kind, required in FIELDS if required for value in WRONG_VALUES[kind]],
)
def test_a_required_value_of_an_unexpected_type_rejects_the_record(struct, path, value):
    reject = read_with_neighbours(struct, with_value(struct, path, value))
    assert isinstance(reject, Reject)
    assert reject.reason.startswith(f"{path}: ")
    assert json.loads(reject.raw_json) == with_value(struct, path, value)
    assert reject.id == (None if path == "Id" else WHOLE[struct]["Id"])


@pytest.mark.parametrize(
    ("struct", "path"), [(struct, path) for struct, path, kind, _ in FIELDS if kind != "TIMESTAMP" and "." not in path]
)
def test_half_a_text_of_a_wrong_number_is_no_crash(struct, path):
    text = json.dumps(with_value(struct, path, "@")).replace('"@"', "1e999")
    record = read_with_neighbours(struct, None, text)
    assert "1e999" in (record.raw_json if isinstance(record, Reject) else kept(record))


@pytest.mark.parametrize("struct", STRUCTS)
@pytest.mark.parametrize("value", [[], ["OwnerCheckedIn", None], "text", 5, True, {}, {"Odd": [{}]}, None])
def test_the_nested_object_may_be_of_any_shape(struct, value):
    name = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))[struct.nested]
    record = read_with_neighbours(struct, WHOLE[struct] | {name: value, "Id": "odd"})
    assert isinstance(record, struct)
    assert (record.extra and json.loads(record.extra)) == ({name: value} if value not in (None, {}) else None)
    assert (getattr(record, struct.nested) is not None) is isinstance(value, dict)


@pytest.mark.parametrize("value", UNBELIEVABLE_TIMES)
@pytest.mark.parametrize("name", ["CreatedUtc", "UpdatedUtc", "CancelledUtc"])
def test_an_unbelievable_time_rejects_an_order_with_the_reason(name, value):
    reject = read_with_neighbours(Order, WHOLE[Order] | {name: value})
    assert isinstance(reject, Reject)
    assert reject.reason.startswith(f"{name}: {value[:4]}-")
    assert "is not between 1990-01-01 and" in reject.reason
    assert (reject.id, reject.service_id) == (ORDER["Id"], ORDER["ServiceId"])


@pytest.mark.parametrize("value", UNBELIEVABLE_TIMES)
@pytest.mark.parametrize(
    ("struct", "name"),
    [(struct, path) for struct, path, kind, _ in FIELDS if kind == "TIMESTAMP" and struct is not Order],
)
def test_an_unbelievable_time_costs_no_hotel_and_no_service(struct, name, value):
    record = read_with_neighbours(struct, WHOLE[struct] | {name: value})
    assert isinstance(record, struct)
    assert at_path(record, name) is None
    assert json.loads(kept(record)) == {name: value}


@pytest.mark.parametrize(
    "value", ["1990-01-01T00:00:00Z", f"{datetime.now(UTC).year + 9}-01-01T00:00:00Z", "1990-01-01T01:00:00+01:00"]
)
def test_times_at_the_bounds_are_believed(reader, value):
    (record,) = reader.read(page(order(CreatedUtc=value))).records
    assert record.created_utc == datetime.fromisoformat(value)


LONGEST = 64 * 1024


@pytest.mark.parametrize(
    ("struct", "path"), [(struct, path) for struct, path, kind, _ in FIELDS if kind == "VARCHAR"] + [(Order, "New")]
)
@pytest.mark.parametrize(("letter", "bytes_each"), [("x", 1), ("é", 2), ("\U0001f600", 4)])
def test_a_text_over_the_limit_rejects_the_record(struct, path, letter, bytes_each):
    number = LONGEST // bytes_each
    record = read_with_neighbours(struct, with_value(struct, path, letter * number))
    assert isinstance(record, struct)
    reject = read_with_neighbours(struct, with_value(struct, path, letter * (number + 1)))
    assert isinstance(reject, Reject)
    assert "holds a text over 64 kB" in reject.reason
    assert path == "New" or path.split(".")[0] in reject.reason
    assert len(reject.raw_json) < 3 * LONGEST, "what is kept of it is bounded"
    assert isinstance(json.loads(reject.raw_json), str)


LONG = "x" * (LONGEST + 1)


@pytest.mark.parametrize("value", [[LONG], {"a": {"b": [0, {"c": LONG}]}}, {LONG: 1}, [[{"a": [LONG]}], "short"]])
def test_a_long_text_is_found_however_deep(value):
    for name in ("New", "Options", "Number", LONG):
        reject = read_with_neighbours(Order, WHOLE[Order] | {name: value})
        assert isinstance(reject, Reject)
        assert "holds a text over 64 kB" in reject.reason


def test_many_short_values_are_kept_up_to_a_megabyte():
    record = read_with_neighbours(Order, WHOLE[Order] | {"Id": "odd", "New": list(range(100_000))})
    assert json.loads(kept(record)) == {"New": list(range(100_000))}
    reject = read_with_neighbours(Order, WHOLE[Order] | {"Id": "odd", "New": list(range(1_000_000))})
    assert reject.reason == "the record is over 1024 kB"
    assert reject.id == "odd"


@pytest.mark.parametrize("depth", [2_000, 500_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a" : [', "]}]")])
def test_a_record_nested_too_deeply_is_one_reject(depth, start, end):
    number = depth // start.count("[") if "[" in start else depth
    text = json.dumps(WHOLE[Order] | {"Id": "Deep", "New": "@"}).replace('"@"', start * number + "1" + end * number)
    reject = read_with_neighbours(Order, None, text)
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.id) == ("the record is nested too deeply", "deep")
    assert json.loads(reject.raw_json)["Number"] == ORDER["Number"]


def test_an_item_of_the_list_that_is_nested_too_deeply_is_one_reject():
    reject = read_with_neighbours(Order, None, "[" * 5000 + "]" * 5000)
    assert (reject.reason, reject.id) == ("the record is not an object", None)


def test_the_last_of_fields_of_one_name_holds():
    text = json.dumps(WHOLE[Order] | {"Id": "odd"})[:-1] + ', "CreatedUtc": 5, "Number": "6", "New": 1, "New": 2}'
    assert read_with_neighbours(Order, None, text).reason.startswith("CreatedUtc: ")
    text = '{"CreatedUtc": 5, "Number": 6, ' + json.dumps(WHOLE[Order] | {"Id": "odd"})[1:]
    record = read_with_neighbours(Order, None, text)
    assert (record.number, record.extra) == (ORDER["Number"], None)


@pytest.mark.parametrize("struct", STRUCTS)
def test_ids_are_read_in_lower_case_and_the_cursor_as_it_is(struct):
    items, table = STRUCTS[struct]
    ids = [str(column.path) for column in table.columns if str(column.path).endswith("Id")]
    upper = WHOLE[struct] | {name: f"ABC-{name}" for name in ids}
    contents = PageReader(items, struct).read(json.dumps({items: [upper, WHOLE[struct]], "Cursor": "ABC-Id"}).encode())
    assert [at_path(contents.records[0], name) for name in ids] == [f"abc-{name}".lower() for name in ids]
    assert contents.cursor == "ABC-Id"
    odd = read_with_neighbours(struct, upper | {"New": 1})
    assert [at_path(odd, name) for name in ids] == [f"abc-{name}".lower() for name in ids]


def test_the_ids_of_a_reject_are_in_lower_case():
    reject = read_with_neighbours(Order, WHOLE[Order] | {"Id": "ABC", "ServiceId": "DEF", "CreatedUtc": None})
    assert (reject.id, reject.service_id) == ("abc", "def")


@pytest.mark.parametrize("item", [None, 5, "text", [], True])
def test_an_item_that_is_no_object_is_rejected(reader, item):
    contents = reader.read(page(order(), item))
    assert len(contents.records) == 1
    assert json.loads(contents.rejects[0].raw_json) == item
    assert contents.rejects[0].id is None


def test_many_rejects_share_a_page(reader):
    sent = [order(Id=str(number), CreatedUtc="x" if number % 3 else ORDER["CreatedUtc"]) for number in range(60)]
    contents = reader.read(page(*sent))
    assert (len(contents.records), len(contents.rejects), contents.count) == (20, 40, 60)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-04-23T14:58:02Z", datetime(2023, 4, 23, 14, 58, 2, tzinfo=UTC)),
        ("2023-04-23T14:58:02.1234567Z", datetime(2023, 4, 23, 14, 58, 2, 123457, tzinfo=UTC)),
        ("2023-04-23T16:58:02+02:00", datetime(2023, 4, 23, 14, 58, 2, tzinfo=UTC)),
    ],
)
def test_dates_may_have_fractions_and_offsets(reader, text, moment):
    (record,) = reader.read(page(order(CreatedUtc=text))).records
    assert record.created_utc == moment


def test_unknown_values_of_enumerations_stay_text(reader):
    (record,) = reader.read(page(order(State="Teleported", Origin="Moon"))).records
    assert (record.state, record.origin) == ("Teleported", "Moon")


def test_unknown_fields_are_kept_as_they_came(reader):
    body = page(order()).replace(b'"Options": {', b'"New\\u0041":  {"a" : [1.50, null]}, "Options": {"Deep" : 1e2, ')
    (record,) = reader.read(body).records
    assert record.extra == '{"NewA":{"a" : [1.50, null]},"Options":{"Deep":1e2}}'
    assert at_path(record, "Options.OwnerCheckedIn") is ORDER["Options"]["OwnerCheckedIn"]
    (plain,) = reader.read(EXAMPLE).records
    assert plain.extra is None


def test_a_field_unknown_on_some_records_is_absent_on_others(reader):
    contents = reader.read(page(order(Id="a"), order(Id="b", New=None), order(Id="c", Options=None)))
    assert extras(contents.records) == [None, '{"New":null}', None]


@pytest.mark.parametrize(
    ("struct", "record", "extra"),
    [
        (
            Service,
            {"Id": "s", "EnterpriseId": "e", "Ordering": 3, "Data": {"Discriminator": "Additional", "Value": {"x": 1}}},
            {"Ordering": 3, "Data": {"Value": {"x": 1}}},
        ),
        (
            Enterprise,
            {"Id": "e", "DefaultLanguageCode": "en-US", "Address": {"City": "Oslo", "Line1": "Karl Johans gate"}},
            {"DefaultLanguageCode": "en-US", "Address": {"Line1": "Karl Johans gate"}},
        ),
    ],
)
def test_services_and_enterprises_keep_unknown_fields_too(struct, record, extra):
    items = STRUCTS[struct][0]
    (read,) = PageReader(items, struct).read(json.dumps({items: [record], "Cursor": None}).encode()).records
    assert json.loads(kept(read)) == extra


NAMES_TO_KEEP = ['quo"te', "back\\slash", "new\nline", "", "é", "extra", "Extra", "id", "nested"]


@pytest.mark.parametrize("name", NAMES_TO_KEEP)
def test_any_name_of_an_unknown_field_is_kept(reader, name):
    contents = reader.read(page(order(**{name: 7})))
    assert json.loads(kept(contents.records[0])) == {name: 7}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"<html>busy</html>",
        b"{}",
        b'{"Cursor":null}',
        b'{"ProductServiceOrders":null,"Cursor":null}',
        b'{"ProductServiceOrders":{},"Cursor":null}',
        b'{"ProductServiceOrders":[],"Cursor":5}',
        b'{"ProductServiceOrders":[],"Cursor":{"Id":"a"}}',
        b'{"ProductServiceOrders":[],"Cursor":"' + b"x" * 5000 + b'"}',
        b'{"ProductServiceOrders":[0' + b",0" * 100_000 + b'],"Cursor":null}',
        b'{"ProductServiceOrders":[0' + b",0" * 2_000_001 + b'],"Cursor":null}',
        EXAMPLE[: len(EXAMPLE) // 2],
        EXAMPLE.rstrip()[:-1],
        b'{"ProductServiceOrders":' + b"[" * 100_000,
        b'{"ProductServiceOrders":[{"Id":"\xe2\x82',
    ],
)
def test_a_body_that_is_not_the_expected_object_is_unreadable(reader, body):
    with pytest.raises(UnreadableBody):
        reader.read(body)


@pytest.mark.parametrize(
    "broken", [b"\\ud83d", b"\\ude00\\ud83d", b"\xff", b"\xed\xa0\x80", b"\\u0000", b"\x00", b"\\u0000\\ud83d"]
)
def test_text_that_is_not_unicode_costs_a_character_and_not_the_page(reader, broken):
    for name in ("OriginDetails", "Unknown"):
        body = page(order(Id="a"), order(Id="b", **{name: "x@@y"})).replace(b"@@", broken)
        contents = reader.read(body)
        assert (len(contents.records), contents.rejects) == (2, [])
        record = contents.records[1]
        text = json.loads(kept(record))[name] if name == "Unknown" else record.origin_details
        assert text[0] + text[-1] == "xy"
        assert set(text[1:-1]) == {"\ufffd"}


def test_a_control_character_in_a_text_costs_nothing(reader):
    body = page(order(OriginDetails="a@@b"), order()).replace(b"@@", b"\n\t\x1b")
    first, second = reader.read(body).records
    assert (first.origin_details, second.origin_details) == ("a\n\t\x1bb", ORDER["OriginDetails"])


def test_an_escaped_backslash_before_a_nul_is_left_alone(reader):
    (record,) = reader.read(page(order(OriginDetails="\\u0000"))).records
    assert record.origin_details == "\\u0000"


def test_an_escaped_backslash_before_a_u_is_left_alone(reader):
    body = page(order(OriginDetails="\\ud83d \U0001f600", Number="@@")).replace(b"@@", b"\\ud83d")
    (record,) = reader.read(body).records
    assert (record.origin_details, record.number) == ("\\ud83d \U0001f600", "\ufffd")


def test_a_byte_order_mark_is_read_over(reader):
    assert len(reader.read(b"\xef\xbb\xbf" + EXAMPLE).records) == 1


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DATES = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | st.datetimes().map(str)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | DATES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*ORDER, "New", "Newer"]) | TEXTS.filter(lambda name: len(name) < 6)
OPTIONS = st.dictionaries(
    st.sampled_from([*ORDER["Options"], "New"]) | TEXTS.filter(lambda name: len(name) < 4), st.booleans() | JSON
)
CHANGES = st.dictionaries(NAMES, JSON, max_size=4)


def account_for(contents: Contents[Order], sent: list[Any]) -> None:
    """Every item landed with each of its fields, in a column or in extra, or was rejected whole with a reason."""
    landed = list(zip(contents.records, extras(contents.records) or [None] * len(contents.records), strict=True))
    rejected = [json.dumps(json.loads(reject.raw_json)) for reject in contents.rejects]
    assert all(reject.reason for reject in contents.rejects)
    for item in sent:
        if rejected and rejected[0] == json.dumps(item):
            del rejected[0]
        else:
            assert isinstance(item, dict)
            assert is_landed(*landed.pop(0), item)
    assert (landed, rejected) == ([], [])
    assert contents.count == len(sent)


def is_landed(record: Order, extra: str | None, item: dict[str, Any]) -> bool:
    beyond = json.loads(extra) if extra else {}
    known = dict(zip(Order.__struct_encode_fields__, Order.__struct_fields__, strict=True))
    rebuilt = {}
    for name, value in item.items():
        if name == "Options" and isinstance(value, dict):
            inner = beyond.get("Options", {})
            rebuilt[name] = {key: inner[key] if key in inner else at_path(record, f"Options.{key}") for key in value}
        elif name in known and name not in beyond:
            held = getattr(record, known[name])
            rebuilt[name] = value if is_same(name, held, value) else held
        else:
            rebuilt[name] = beyond.get(name, ...)
            assert name not in known or getattr(record, known[name]) is None
    return rebuilt == item


def is_same(name: str, held: Any, value: Any) -> bool:
    if isinstance(held, datetime):
        return abs(datetime.fromisoformat(value) - held) <= timedelta(microseconds=1)
    return name.endswith("Id") and isinstance(value, str) and bool(held == value.lower())


@settings(deadline=None)
@given(st.lists(st.tuples(CHANGES, st.none() | OPTIONS) | JSON, max_size=4))
def test_whatever_comes_lands_is_kept_or_is_rejected(items):
    sent = [
        order(**item[0]) | ({} if item[1] is None else {"Options": item[1]}) if isinstance(item, tuple) else item
        for item in items
    ]
    account_for(PageReader("ProductServiceOrders", Order).read(page(*sent)), sent)


@settings(deadline=None, max_examples=50)
@given(st.lists(CHANGES | JSON, max_size=3))
def test_what_is_kept_is_json_to_duckdb(items):
    sent = [order(**item) if isinstance(item, dict) else item for item in items]
    contents = PageReader("ProductServiceOrders", Order).read(page(*sent))
    texts = [*filter(None, extras(contents.records) or []), *(reject.raw_json for reject in contents.rejects)]
    with duckdb.connect() as connection:
        for text in texts:
            assert connection.execute("SELECT json_valid(?)", [text]).fetchone() == (True,)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.integers(0, len(EXAMPLE)).map(lambda end: EXAMPLE[:end]))
def test_any_body_is_read_or_unreadable(body):
    with suppress(UnreadableBody):
        PageReader("ProductServiceOrders", Order).read(body)
