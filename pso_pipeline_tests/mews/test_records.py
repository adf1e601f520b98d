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

from pso_pipeline.contract.warehouse import ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES
from pso_pipeline.mews.records import (
    Contents,
    Enterprise,
    Order,
    PageReader,
    Record,
    Service,
    UnreadableBody,
    extra_json,
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
    text = extra_json(record)
    assert text is not None
    return text


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
    assert extra_json(record) is None
    assert extras(contents.records) is None


@pytest.mark.parametrize("struct", STRUCTS)
def test_structs_and_column_contract_are_in_step(struct):
    columns = {column.api_name: column for column in STRUCTS[struct][1].columns if column.api_name}
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
    record = {column.api_name: "2024-01-01T00:00:00Z" for column in table.columns if column.required}
    contents = PageReader(items, struct).read(json.dumps({items: [record], "Cursor": None}).encode())
    assert (len(contents.records), contents.rejects) == (1, [])


@pytest.mark.parametrize("struct", STRUCTS)
@pytest.mark.parametrize("broken", [..., None, "", 5, [], {}])
def test_without_a_required_field_a_record_is_rejected(struct, broken):
    items, table = STRUCTS[struct]
    required = [str(column.api_name) for column in table.columns if column.required]
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


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"Number": 52}, "$.Number"),
        ({"State": ["Confirmed"]}, "$.State"),
        ({"Options": []}, "$.Options"),
        ({"Options": {"OwnerCheckedIn": "yes"}}, "$.Options.OwnerCheckedIn"),
        ({"CancelledUtc": "yesterday"}, "$.CancelledUtc"),
        ({"CreatedUtc": "2023-02-30T00:00:00Z"}, "$.CreatedUtc"),
        ({"UpdatedUtc": "2023-04-23T14:58:02"}, "$.UpdatedUtc"),
    ],
)
def test_a_record_with_a_wrong_type_is_rejected_and_the_others_land(reader, changes, named):
    bad = order(Id="bad", **changes)
    contents = reader.read(page(order(Id="a"), bad, order(Id="b")))
    assert [record.id for record in contents.records] == ["a", "b"]
    (reject,) = contents.rejects
    assert named in reject.reason
    assert json.loads(reject.raw_json) == bad
    assert (reject.id, reject.service_id) == ("bad", ORDER["ServiceId"])
    assert contents.count == 3


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
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_dates_may_have_fractions_and_offsets(reader, text, moment):
    (record,) = reader.read(page(order(CreatedUtc=text))).records
    assert record.created_utc == moment


def test_unknown_values_of_enumerations_stay_text(reader):
    (record,) = reader.read(page(order(State="Teleported", Origin="Moon"))).records
    assert (record.state, record.origin) == ("Teleported", "Moon")


def test_unknown_fields_are_kept_as_they_came_and_learned(reader):
    body = page(order()).replace(b'"Options": {', b'"New\\u0041":  {"a" : [1.50, null]}, "Options": {"Deep" : 1e2, ')
    first = reader.read(body)
    kind = type(first.records[0])
    assert kind is not Order
    assert extra_json(first.records[0]) == '{"NewA":{"a" : [1.50, null]},"Options":{"Deep":1e2}}'
    again = reader.read(body)
    assert type(again.records[0]) is kind, "what was learned serves the next page"
    assert extras(again.records) == [extra_json(first.records[0])]
    plain = reader.read(EXAMPLE)
    assert extra_json(plain.records[0]) is None
    assert extras(plain.records) is None


def test_a_field_learned_on_some_records_is_absent_on_others(reader):
    contents = reader.read(page(order(Id="a"), order(Id="b", New=None), order(Id="c", Options=None)))
    assert extras(contents.records) == [None, '{"New":null}', None]


def test_a_reject_does_not_keep_a_new_field_from_being_learned(reader):
    contents = reader.read(page(order(Id="a", New=1), order(Id="b", New=1, CreatedUtc="x")))
    assert extras(contents.records) == ['{"New":1}']
    assert len(contents.rejects) == 1
    assert reader._names == {"New"}


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


def test_learning_is_bounded_and_nothing_is_lost_beyond(reader):
    orders = [order(Id=str(number), **{f"New{number}": number}) for number in range(100)]
    contents = reader.read(page(*orders))
    assert contents.rejects == []
    assert [json.loads(kept(record)) for record in contents.records] == [
        {f"New{number}": number} for number in range(100)
    ]
    for number in range(200):
        reader.read(page(order(**{f"Late{number}": number})))
    assert len(reader._names) == 64
    deep = order(Late999=1)
    deep["Options"]["Deeper"] = [1]
    (record,) = reader.read(page(deep)).records
    assert json.loads(kept(record)) == {"Late999": 1, "Options": {"Deeper": [1]}}


NAMES_TO_KEEP = ['quo"te', "back\\slash", "new\nline", "", "é", "learned_0", "odd_extra", "id", "nested"]


@pytest.mark.parametrize("name", NAMES_TO_KEEP)
def test_any_name_of_an_unknown_field_is_kept(reader, name):
    for _ in range(2):
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
        EXAMPLE[: len(EXAMPLE) // 2],
        EXAMPLE.rstrip()[:-1],
        b'{"ProductServiceOrders":' + b"[" * 100_000,
        b'{"ProductServiceOrders":[{"Id":"\xe2\x82',
    ],
)
def test_a_body_that_is_not_the_expected_object_is_unreadable(reader, body):
    with pytest.raises(UnreadableBody):
        reader.read(body)


@pytest.mark.parametrize("broken", [b"\\ud83d", b"\\ude00\\ud83d", b"\xff", b"\xed\xa0\x80"])
def test_text_that_is_not_unicode_costs_a_character_and_not_the_page(reader, broken):
    for name in ("OriginDetails", "Unknown"):
        body = page(order(Id="a"), order(Id="b", **{name: "x@@y"})).replace(b"@@", broken)
        contents = reader.read(body)
        assert (len(contents.records), contents.rejects) == (2, [])
        record = contents.records[1]
        text = json.loads(kept(record))[name] if name == "Unknown" else record.origin_details
        assert text[0] + text[-1] == "xy"
        assert set(text[1:-1]) == {"\ufffd"}


def test_an_escaped_backslash_before_a_u_is_left_alone(reader):
    body = page(order(OriginDetails="\\ud83d \U0001f600", Number="@@")).replace(b"@@", b"\\ud83d")
    (record,) = reader.read(body).records
    assert (record.origin_details, record.number) == ("\\ud83d \U0001f600", "\ufffd")


def test_a_byte_order_mark_is_read_over(reader):
    assert len(reader.read(b"\xef\xbb\xbf" + EXAMPLE).records) == 1


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DATES = st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | st.datetimes().map(str)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | DATES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*ORDER, "New", "Newer"]) | st.text(max_size=5)
OPTIONS = st.dictionaries(st.sampled_from([*ORDER["Options"], "New"]) | st.text(max_size=3), st.booleans() | JSON)
CHANGES = st.dictionaries(NAMES, JSON, max_size=4)


def account_for(contents: Contents[list[Order]], sent: list[Any]) -> None:
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
        elif name in known:
            held = getattr(record, known[name])
            rebuilt[name] = value if isinstance(held, datetime) and is_same_moment(held, value) else held
        else:
            rebuilt[name] = beyond.get(name, ...)
    return rebuilt == item


def is_same_moment(held: datetime, text: str) -> bool:
    return abs(datetime.fromisoformat(text) - held) <= timedelta(microseconds=1)


@settings(deadline=None)
@given(st.lists(st.tuples(CHANGES, st.none() | OPTIONS) | JSON, max_size=4))
def test_whatever_comes_lands_is_kept_or_is_rejected(items):
    sent = [
        order(**item[0]) | ({} if item[1] is None else {"Options": item[1]}) if isinstance(item, tuple) else item
        for item in items
    ]
    reader = PageReader("ProductServiceOrders", Order)
    for _ in range(2):
        account_for(reader.read(page(*sent)), sent)


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
