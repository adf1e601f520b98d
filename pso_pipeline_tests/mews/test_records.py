import copy
import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints import (
    ENDPOINTS,
    ENTERPRISES,
    ORDER_ITEMS,
    PRODUCT_SERVICE_ORDERS,
    PRODUCTS,
    SERVICES,
)
from pso_pipeline.contract.endpoints.endpoint import Endpoint
from pso_pipeline.mews.records import Contents, PageReader, Reject, UnreadableBody

EXAMPLE = (Path(__file__).parent / "example_response.json").read_bytes()
ORDER = json.loads(EXAMPLE)["ProductServiceOrders"][0]
REQUIRED = {"Id", "ServiceId", "CreatedUtc", "UpdatedUtc"}


@pytest.fixture
def reader() -> PageReader:
    return PageReader(PRODUCT_SERVICE_ORDERS)


def page(*records, cursor="c") -> bytes:
    return json.dumps({"ProductServiceOrders": list(records), "Cursor": cursor}).encode()


def order(**changes):
    """The specification's order with some fields changed; `...` leaves one out."""
    changed = {name: value for name, value in (ORDER | changes).items() if value is not ...}
    return changed | {"Options": dict(changed["Options"])} if isinstance(changed.get("Options"), dict) else changed


def records_of(contents: Contents) -> list[dict[str, Any]]:
    """The readable records, each by column."""
    return [dict(zip(contents.rows, values, strict=True)) for values in zip(*contents.rows.values(), strict=True)]


def kept(record: dict[str, Any]) -> Any:
    assert record["extra"] is not None
    return record["extra"]


def at_path(record: dict[str, Any], path: str, endpoint: Endpoint = PRODUCT_SERVICE_ORDERS) -> Any:
    """The value of a record's field by its name in the API, dotted where nested."""
    return record[next(column.name for column in endpoint.fields if column.path == path)]


def test_the_specification_s_example_is_read_with_all_its_values(reader):
    contents = reader.read(EXAMPLE)
    (record,) = records_of(contents)
    assert (contents.rejects, contents.count, contents.cursor) == ([], 1, ORDER["Id"])
    for name, value in ORDER.items():
        if name == "Options":
            assert {key: at_path(record, f"Options.{key}") for key in value} == value
        elif name.endswith("Utc") and value is not None:
            assert at_path(record, name) == datetime(2023, 4, 23, 14, 58, 2, tzinfo=UTC)
        else:
            assert at_path(record, name) == value
    assert record["extra"] is None


NUMBER_TYPES = {"BIGINT", "DECIMAL(18,4)"}


def put(record, path, value):
    """Put a value into a record at a path, dotted where nested; `...` takes it out."""
    *outer, name = path.split(".")
    members = record
    for part in outer:
        members = members.setdefault(part, {})
    if value is ...:
        del members[name]
    else:
        members[name] = value
    return record


def with_required_fields_alone(endpoint):
    record: dict[str, Any] = {}
    for column in endpoint.columns:
        if column.required:
            put(record, str(column.path), 5 if column.type in NUMBER_TYPES else "2024-01-01T00:00:00Z")
    return record


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_a_record_with_required_fields_alone_lands(endpoint):
    items = endpoint.response_key
    record = with_required_fields_alone(endpoint)
    contents = PageReader(endpoint).read(json.dumps({items: [record], "Cursor": None}).encode())
    assert (contents.count - len(contents.rejects), contents.rejects) == (1, [])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
@pytest.mark.parametrize("broken", [..., None, "", 5, [], {}])
def test_without_a_required_field_a_record_is_rejected(endpoint, broken):
    items = endpoint.response_key
    for column in (column for column in endpoint.columns if column.required):
        if broken == 5 and column.type in NUMBER_TYPES:
            continue
        name = str(column.path)
        record = put(with_required_fields_alone(endpoint), name, broken)
        contents = PageReader(endpoint).read(json.dumps({items: [record], "Cursor": None}).encode())
        assert records_of(contents) == []
        (reject,) = contents.rejects
        assert name in reject.reason
        assert json.loads(reject.raw_json) == record


@pytest.mark.parametrize("name", [name for name in ORDER if name not in REQUIRED])
def test_a_field_that_is_not_required_may_be_null_or_absent(reader, name):
    contents = reader.read(page(order(**{name: None}), order(**{name: ...})))
    assert contents.rejects == []
    columns = [column for column in PRODUCT_SERVICE_ORDERS.fields if str(column.path).split(".")[0] == name]
    assert all(contents.rows[column.name] == [None, None] for column in columns)


FIELDS = [
    (endpoint, str(column.path), column.type, column.required) for endpoint in ENDPOINTS for column in endpoint.fields
]
WRONG_VALUES = {
    "VARCHAR": [5, -1.5, True, [], ["a"], {}, {"a": 1}, 10**400],
    "BOOLEAN": ["yes", "true", 0, 1, [], {}, {"a": True}],
    "BIGINT": ["two", 1.5, True, [], {}, 2**63],
    "DECIMAL(18,4)": ["much", "1,5", "", True, [], {}],
    "JSON": [],
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
    PRODUCT_SERVICE_ORDERS: ORDER,
    SERVICES: {
        "Id": "s1",
        "EnterpriseId": "e1",
        "Name": "Breakfast",
        "IsActive": True,
        "CreatedUtc": "2020-01-01T00:00:00Z",
        "UpdatedUtc": "2020-01-01T00:00:00Z",
        "Data": {"Discriminator": "Additional"},
    },
    ENTERPRISES: {
        "Id": "e1",
        "Name": "Sample Hotel",
        "TimeZoneIdentifier": "Europe/Oslo",
        "ChainId": "c1",
        "ChainName": "Sample Hotels",
        "CreatedUtc": "2020-01-01T00:00:00Z",
        "UpdatedUtc": "2020-01-01T00:00:00Z",
        "LinkedUtc": "2020-01-01T00:00:00Z",
        "DefaultLanguageCode": "nb-NO",
        "Address": {"CountryCode": "NO", "City": "Oslo"},
    },
    ORDER_ITEMS: {
        "Id": "i1",
        "EnterpriseId": "e1",
        "ServiceId": "s1",
        "ServiceOrderId": "o1",
        "AccountId": "a1",
        "AccountType": "Customer",
        "BillId": "b1",
        "AccountingCategoryId": "c1",
        "Notes": "by the window",
        "BillingName": "Breakfast",
        "ExternalIdentifier": "x1",
        "UnitCount": 2,
        "UnitAmount": {"NetValue": 10.25, "GrossValue": 12.5},
        "Amount": {"Currency": "NOK", "NetValue": 20.5, "GrossValue": 25},
        "OriginalAmount": {"Currency": "NOK", "NetValue": 20.5, "GrossValue": 25},
        "RevenueType": "Product",
        "CreatorProfileId": "p1",
        "UpdaterProfileId": "p2",
        "CreatedUtc": "2020-01-01T00:00:00Z",
        "UpdatedUtc": "2020-01-01T00:00:00Z",
        "ConsumedUtc": "2020-01-02T00:00:00Z",
        "CanceledUtc": "2020-01-01T00:00:00Z",
        "ClosedUtc": "2020-01-01T00:00:00Z",
        "StartUtc": "2020-01-01T00:00:00Z",
        "ClaimedUtc": "2020-01-01T00:00:00Z",
        "AccountingState": "Open",
        "Type": "ProductOrder",
        "Options": {"CanceledWithReservation": False},
        "Data": {
            "Discriminator": "Product",
            "Product": {"ProductId": "p3", "AgeCategoryId": "g1", "ProductType": "Product"},
            "Rebate": {"ProductId": "p3", "RebatedItemId": "i0"},
        },
        "TaxExemptionReason": "none",
        "TaxExemptionLegalReference": "none",
    },
    PRODUCTS: {
        "Id": "p1",
        "ServiceId": "s1",
        "Names": {"nb-NO": "Frokost"},
        "IsActive": True,
        "Classifications": {"Food": True},
        "ChargingMode": "Once",
        "ConsumptionMoment": "Morning",
        "CategoryId": "c1",
        "Price": {"Currency": "NOK", "NetValue": 10.25, "GrossValue": 12.5},
        "CreatedUtc": "2020-01-01T00:00:00Z",
        "UpdatedUtc": "2020-01-01T00:00:00Z",
    },
}


def with_value(endpoint, path, value):
    """A whole record with one value changed; `...` leaves it out."""
    return put(copy.deepcopy(WHOLE[endpoint]), path, value)


def nest(path, value):
    """The object in which a value is found by its path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def read_with_neighbours(endpoint, changed, text=None):
    """Read a page of a good record, the one given, and another good one; a good one must come through whatever."""
    good = [WHOLE[endpoint] | {"Id": name} for name in ("before", "after")]
    items = endpoint.response_key
    sent = json.dumps({items: [good[0], "@@", good[1]], "Cursor": "c"}).replace('"@@"', text or json.dumps(changed))
    contents = PageReader(endpoint).read(sent.encode())
    records = records_of(contents)
    assert [record["id"] for record in records if record["id"] in ("before", "after")] == ["before", "after"]
    assert contents.count == 3
    odd = [record for record in records if record["id"] not in ("before", "after")]
    assert len(odd) + len(contents.rejects) == 1
    return odd[0] if odd else contents.rejects[0]


@pytest.mark.parametrize(
    ("endpoint", "path", "value"),
    [
        (endpoint, path, value)
        for endpoint, path, kind, required in FIELDS
        if not required
        for value in WRONG_VALUES[kind]
    ],
)
def test_a_value_of_an_unexpected_type_is_kept_and_costs_no_record(endpoint, path, value):
    record = read_with_neighbours(endpoint, with_value(endpoint, path, value))
    assert isinstance(record, dict)
    assert at_path(record, path, endpoint) is None
    assert json.loads(kept(record)) == nest(path, value)
    for _, other, kind, _ in (field for field in FIELDS if field[0] is endpoint and field[1] != path):
        held, sent = at_path(record, other, endpoint), WHOLE[endpoint]
        for name in other.split("."):
            sent = sent[name]
        held = json.loads(held) if kind == "JSON" else held
        assert held == (datetime.fromisoformat(sent) if kind == "TIMESTAMP" and sent else sent)


@pytest.mark.parametrize(
    ("endpoint", "path", "value"),
    [(endpoint, path, value) for endpoint, path, kind, required in FIELDS if required for value in WRONG_VALUES[kind]],
)
def test_a_required_value_of_an_unexpected_type_rejects_the_record(endpoint, path, value):
    reject = read_with_neighbours(endpoint, with_value(endpoint, path, value))
    assert isinstance(reject, Reject)
    assert reject.reason.startswith(f"{path}: ")
    assert json.loads(reject.raw_json) == with_value(endpoint, path, value)
    assert reject.id == (None if path == "Id" else WHOLE[endpoint]["Id"])


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [(endpoint, path) for endpoint, path, kind, _ in FIELDS if kind not in ("TIMESTAMP", "JSON") and "." not in path],
)
def test_half_a_text_of_a_wrong_number_is_no_crash(endpoint, path):
    text = json.dumps(with_value(endpoint, path, "@")).replace('"@"', "1e999")
    record = read_with_neighbours(endpoint, None, text)
    assert "1e999" in (record.raw_json if isinstance(record, Reject) else kept(record))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
@pytest.mark.parametrize("value", [[], ["OwnerCheckedIn", None], "text", 5, True, {}, {"Odd": [{}]}, None])
def test_the_nested_object_may_be_of_any_shape(endpoint, value):
    required = {str(column.path).split(".")[0] for column in endpoint.fields if column.required}
    nested = (str(column.path).split(".")[0] for column in endpoint.fields if "." in str(column.path))
    name = next(name for name in nested if name not in required)
    record = read_with_neighbours(endpoint, WHOLE[endpoint] | {name: value, "Id": "odd"})
    assert isinstance(record, dict)
    assert (record["extra"] and json.loads(record["extra"])) == ({name: value} if value not in (None, {}) else None)


@pytest.mark.parametrize("value", UNBELIEVABLE_TIMES)
@pytest.mark.parametrize("name", ["CreatedUtc", "UpdatedUtc", "CancelledUtc"])
def test_an_unbelievable_time_rejects_an_order_with_the_reason(name, value):
    reject = read_with_neighbours(PRODUCT_SERVICE_ORDERS, WHOLE[PRODUCT_SERVICE_ORDERS] | {name: value})
    assert isinstance(reject, Reject)
    assert reject.reason.startswith(f"{name}: {value[:4]}-")
    assert "is not between 1990-01-01 and" in reject.reason
    assert (reject.id, reject.scope_id) == (ORDER["Id"], ORDER["ServiceId"])


@pytest.mark.parametrize("value", UNBELIEVABLE_TIMES)
@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (endpoint, path)
        for endpoint, path, kind, _ in FIELDS
        if kind == "TIMESTAMP" and endpoint.keeps_versions is False
    ],
)
def test_an_unbelievable_time_costs_no_hotel_and_no_service(endpoint, name, value):
    record = read_with_neighbours(endpoint, WHOLE[endpoint] | {name: value})
    assert isinstance(record, dict)
    assert at_path(record, name, endpoint) is None
    assert json.loads(kept(record)) == {name: value}


@pytest.mark.parametrize(
    "value", ["1990-01-01T00:00:00Z", f"{datetime.now(UTC).year + 9}-01-01T00:00:00Z", "1990-01-01T01:00:00+01:00"]
)
def test_times_at_the_bounds_are_believed(reader, value):
    (record,) = records_of(reader.read(page(order(CreatedUtc=value))))
    assert record["created_utc"] == datetime.fromisoformat(value)


LONGEST = 64 * 1024


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [(endpoint, path) for endpoint, path, kind, _ in FIELDS if kind == "VARCHAR"] + [(PRODUCT_SERVICE_ORDERS, "New")],
)
@pytest.mark.parametrize(("letter", "bytes_each"), [("x", 1), ("é", 2), ("\U0001f600", 4)])
def test_a_text_over_the_limit_rejects_the_record(endpoint, path, letter, bytes_each):
    number = LONGEST // bytes_each
    record = read_with_neighbours(endpoint, with_value(endpoint, path, letter * number))
    assert isinstance(record, dict)
    reject = read_with_neighbours(endpoint, with_value(endpoint, path, letter * (number + 1)))
    assert isinstance(reject, Reject)
    assert "holds a text over 64 kB" in reject.reason
    assert path == "New" or path.split(".")[0] in reject.reason
    assert len(reject.raw_json) < 3 * LONGEST, "what is kept of it is bounded"
    assert isinstance(json.loads(reject.raw_json), str)


LONG = "x" * (LONGEST + 1)


@pytest.mark.parametrize("value", [[LONG], {"a": {"b": [0, {"c": LONG}]}}, {LONG: 1}, [[{"a": [LONG]}], "short"]])
def test_a_long_text_is_found_however_deep(value):
    for name in ("New", "Options", "Number", LONG):
        reject = read_with_neighbours(PRODUCT_SERVICE_ORDERS, WHOLE[PRODUCT_SERVICE_ORDERS] | {name: value})
        assert isinstance(reject, Reject)
        assert "holds a text over 64 kB" in reject.reason


def test_many_short_values_are_kept_up_to_a_megabyte():
    record = read_with_neighbours(
        PRODUCT_SERVICE_ORDERS, WHOLE[PRODUCT_SERVICE_ORDERS] | {"Id": "odd", "New": list(range(100_000))}
    )
    assert json.loads(kept(record)) == {"New": list(range(100_000))}
    reject = read_with_neighbours(
        PRODUCT_SERVICE_ORDERS, WHOLE[PRODUCT_SERVICE_ORDERS] | {"Id": "odd", "New": list(range(1_000_000))}
    )
    assert reject.reason == "the record is over 1024 kB"
    assert reject.id == "odd"


@pytest.mark.parametrize("depth", [2_000, 500_000])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a" : [', "]}]")])
def test_a_record_nested_too_deeply_is_one_reject(depth, start, end):
    number = depth // start.count("[") if "[" in start else depth
    text = json.dumps(WHOLE[PRODUCT_SERVICE_ORDERS] | {"Id": "Deep", "New": "@"}).replace(
        '"@"', start * number + "1" + end * number
    )
    reject = read_with_neighbours(PRODUCT_SERVICE_ORDERS, None, text)
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.id) == ("the record is nested too deeply", "deep")
    assert json.loads(reject.raw_json)["Number"] == ORDER["Number"]


def test_an_item_of_the_list_that_is_nested_too_deeply_is_one_reject():
    reject = read_with_neighbours(PRODUCT_SERVICE_ORDERS, None, "[" * 5000 + "]" * 5000)
    assert (reject.reason, reject.id) == ("the record is not an object", None)


def test_the_last_of_fields_of_one_name_holds():
    text = (
        json.dumps(WHOLE[PRODUCT_SERVICE_ORDERS] | {"Id": "odd"})[:-1]
        + ', "CreatedUtc": 5, "Number": "6", "New": 1, "New": 2}'
    )
    assert read_with_neighbours(PRODUCT_SERVICE_ORDERS, None, text).reason.startswith("CreatedUtc: ")
    text = '{"CreatedUtc": 5, "Number": 6, ' + json.dumps(WHOLE[PRODUCT_SERVICE_ORDERS] | {"Id": "odd"})[1:]
    record = read_with_neighbours(PRODUCT_SERVICE_ORDERS, None, text)
    assert (record["number"], record["extra"]) == (ORDER["Number"], None)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_ids_are_read_in_lower_case_and_the_cursor_as_it_is(endpoint):
    items = endpoint.response_key
    ids = [
        str(column.path)
        for column in endpoint.fields
        if str(column.path).endswith("Id") and "." not in str(column.path)
    ]
    upper = WHOLE[endpoint] | {name: f"ABC-{name}" for name in ids}
    contents = PageReader(endpoint).read(json.dumps({items: [upper, WHOLE[endpoint]], "Cursor": "ABC-Id"}).encode())
    assert [at_path(records_of(contents)[0], name, endpoint) for name in ids] == [f"abc-{name}".lower() for name in ids]
    assert contents.cursor == "ABC-Id"
    odd = read_with_neighbours(endpoint, upper | {"New": 1})
    assert [at_path(odd, name, endpoint) for name in ids] == [f"abc-{name}".lower() for name in ids]


def test_the_ids_of_a_reject_are_in_lower_case():
    reject = read_with_neighbours(
        PRODUCT_SERVICE_ORDERS, WHOLE[PRODUCT_SERVICE_ORDERS] | {"Id": "ABC", "ServiceId": "DEF", "CreatedUtc": None}
    )
    assert (reject.id, reject.scope_id) == ("abc", "def")


@pytest.mark.parametrize("item", [None, 5, "text", [], True])
def test_an_item_that_is_no_object_is_rejected(reader, item):
    contents = reader.read(page(order(), item))
    assert contents.count - len(contents.rejects) == 1
    assert json.loads(contents.rejects[0].raw_json) == item
    assert contents.rejects[0].id is None


def test_many_rejects_share_a_page(reader):
    sent = [order(Id=str(number), CreatedUtc="x" if number % 3 else ORDER["CreatedUtc"]) for number in range(60)]
    contents = reader.read(page(*sent))
    assert (contents.count - len(contents.rejects), len(contents.rejects), contents.count) == (20, 40, 60)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-04-23T14:58:02Z", datetime(2023, 4, 23, 14, 58, 2, tzinfo=UTC)),
        ("2023-04-23T14:58:02.1234567Z", datetime(2023, 4, 23, 14, 58, 2, 123457, tzinfo=UTC)),
        ("2023-04-23T16:58:02+02:00", datetime(2023, 4, 23, 14, 58, 2, tzinfo=UTC)),
    ],
)
def test_dates_may_have_fractions_and_offsets(reader, text, moment):
    (record,) = records_of(reader.read(page(order(CreatedUtc=text))))
    assert record["created_utc"] == moment


def test_unknown_values_of_enumerations_stay_text(reader):
    (record,) = records_of(reader.read(page(order(State="Teleported", Origin="Moon"))))
    assert (record["state"], record["origin"]) == ("Teleported", "Moon")


def test_unknown_fields_are_kept_as_they_came(reader):
    body = page(order()).replace(b'"Options": {', b'"New\\u0041":  {"a" : [1.50, null]}, "Options": {"Deep" : 1e2, ')
    (record,) = records_of(reader.read(body))
    assert record["extra"] == '{"NewA":{"a" : [1.50, null]},"Options":{"Deep":1e2}}'
    assert at_path(record, "Options.OwnerCheckedIn") is ORDER["Options"]["OwnerCheckedIn"]
    (plain,) = records_of(reader.read(EXAMPLE))
    assert plain["extra"] is None


def test_a_field_unknown_on_some_records_is_absent_on_others(reader):
    contents = reader.read(page(order(Id="a"), order(Id="b", New=None), order(Id="c", Options=None)))
    assert contents.rows["extra"] == [None, '{"New":null}', None]


@pytest.mark.parametrize(
    ("endpoint", "record", "extra"),
    [
        (
            SERVICES,
            {"Id": "s", "EnterpriseId": "e", "Ordering": 3, "Data": {"Discriminator": "Additional", "Value": {"x": 1}}},
            {"Ordering": 3, "Data": {"Value": {"x": 1}}},
        ),
        (
            ENTERPRISES,
            {"Id": "e", "LegalEnvironmentCode": "NO", "Address": {"City": "Oslo", "Line1": "Karl Johans gate"}},
            {"LegalEnvironmentCode": "NO", "Address": {"Line1": "Karl Johans gate"}},
        ),
    ],
)
def test_services_and_enterprises_keep_unknown_fields_too(endpoint, record, extra):
    items = endpoint.response_key
    (read,) = records_of(PageReader(endpoint).read(json.dumps({items: [record], "Cursor": None}).encode()))
    assert json.loads(kept(read)) == extra


NAMES_TO_KEEP = ['quo"te', "back\\slash", "new\nline", "", "é", "extra", "Extra", "id", "nested"]


@pytest.mark.parametrize("name", NAMES_TO_KEEP)
def test_any_name_of_an_unknown_field_is_kept(reader, name):
    contents = reader.read(page(order(**{name: 7})))
    assert json.loads(kept(records_of(contents)[0])) == {name: 7}


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
        assert (contents.count - len(contents.rejects), contents.rejects) == (2, [])
        record = records_of(contents)[1]
        text = json.loads(kept(record))[name] if name == "Unknown" else record["origin_details"]
        assert text[0] + text[-1] == "xy"
        assert set(text[1:-1]) == {"\ufffd"}


def test_a_control_character_in_a_text_costs_nothing(reader):
    body = page(order(OriginDetails="a@@b"), order()).replace(b"@@", b"\n\t\x1b")
    first, second = records_of(reader.read(body))
    assert (first["origin_details"], second["origin_details"]) == ("a\n\t\x1bb", ORDER["OriginDetails"])


def test_an_escaped_backslash_before_a_nul_is_left_alone(reader):
    (record,) = records_of(reader.read(page(order(OriginDetails="\\u0000"))))
    assert record["origin_details"] == "\\u0000"


def test_an_escaped_backslash_before_a_u_is_left_alone(reader):
    body = page(order(OriginDetails="\\ud83d \U0001f600", Number="@@")).replace(b"@@", b"\\ud83d")
    (record,) = records_of(reader.read(body))
    assert (record["origin_details"], record["number"]) == ("\\ud83d \U0001f600", "\ufffd")


def test_a_byte_order_mark_is_read_over(reader):
    assert len(records_of(reader.read(b"\xef\xbb\xbf" + EXAMPLE))) == 1


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


def account_for(contents: Contents, sent: list[Any]) -> None:
    """Every item landed with each of its fields, in a column or in extra, or was rejected whole with a reason."""
    landed = records_of(contents)
    rejected = [json.dumps(json.loads(reject.raw_json)) for reject in contents.rejects]
    assert all(reject.reason for reject in contents.rejects)
    for item in sent:
        if rejected and rejected[0] == json.dumps(item):
            del rejected[0]
        else:
            assert isinstance(item, dict)
            assert is_landed(landed.pop(0), item)
    assert (landed, rejected) == ([], [])
    assert contents.count == len(sent)


def is_landed(record: dict[str, Any], item: dict[str, Any]) -> bool:
    beyond = json.loads(record["extra"]) if record["extra"] else {}
    known = {str(column.path): column.name for column in PRODUCT_SERVICE_ORDERS.fields}
    rebuilt: dict[str, Any] = {}
    for name, value in item.items():
        if name == "Options" and isinstance(value, dict):
            inner = beyond.get("Options", {})
            rebuilt[name] = {key: inner[key] if key in inner else at_path(record, f"Options.{key}") for key in value}
        elif name in known and name not in beyond:
            held = record[known[name]]
            rebuilt[name] = value if is_same(name, held, value) else held
        else:
            # an object that is null has none of its fields
            rebuilt[name] = beyond.get(name, None if name == "Options" else ...)
            assert name not in known or record[known[name]] is None
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
    account_for(PageReader(PRODUCT_SERVICE_ORDERS).read(page(*sent)), sent)


@settings(deadline=None, max_examples=50)
@given(st.lists(CHANGES | JSON, max_size=3))
def test_what_is_kept_is_json_to_duckdb(items):
    sent = [order(**item) if isinstance(item, dict) else item for item in items]
    contents = PageReader(PRODUCT_SERVICE_ORDERS).read(page(*sent))
    texts = [*filter(None, contents.rows["extra"]), *(reject.raw_json for reject in contents.rejects)]
    with duckdb.connect() as connection:
        for text in texts:
            assert connection.execute("SELECT json_valid(?)", [text]).fetchone() == (True,)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.integers(0, len(EXAMPLE)).map(lambda end: EXAMPLE[:end]))
def test_any_body_is_read_or_unreadable(body):
    with suppress(UnreadableBody):
        PageReader(PRODUCT_SERVICE_ORDERS).read(body)


ITEMS = Endpoint(
    name="items",
    operation="items/getAll",
    response_key="Items",
    record_name="item",
    description="Items.",
    scope="enterprise",
    scope_filter="EnterpriseIds",
    scope_path="EnterpriseId",
    filters=(),
    columns=(
        Column("id", "VARCHAR", "Id.", "Id", required=True),
        Column("enterprise_id", "VARCHAR", "Hotel.", "EnterpriseId", required=True),
        Column("updated_utc", "TIMESTAMP", "Updated.", "UpdatedUtc", required=True),
        Column("gross_value", "DECIMAL(18,4)", "Gross.", "Amount.GrossValue", required=True),
        Column("tax_code", "VARCHAR", "Code.", "Amount.Tax.Code"),
        Column("tax_values", "JSON", "Taxes.", "Amount.TaxValues"),
        Column("labels", "VARCHAR[]", "Labels.", "Labels"),
        Column("unit_count", "BIGINT", "Units.", "UnitCount"),
        Column("weight", "DOUBLE", "Weight.", "Weight"),
        Column("day", "DATE", "Day.", "Day"),
    ),
)
ITEM: dict[str, Any] = {
    "Id": "i1",
    "EnterpriseId": "e1",
    "UpdatedUtc": "2024-01-01T00:00:00Z",
    "Amount": {"GrossValue": 93.46, "Tax": {"Code": "DE-S"}, "TaxValues": [{"Value": 1.10}]},
    "Labels": ["a", "b"],
    "UnitCount": 3,
    "Weight": 1.5,
    "Day": "2024-01-31",
}
READ = {
    "id": "i1",
    "enterprise_id": "e1",
    "updated_utc": datetime(2024, 1, 1, tzinfo=UTC),
    "gross_value": Decimal("93.46"),
    "tax_code": "DE-S",
    "tax_values": '[{"Value": 1.1}]',
    "labels": ["a", "b"],
    "unit_count": 3,
    "weight": 1.5,
    "day": date(2024, 1, 31),
    "extra": None,
}


def read_item(text: str) -> Any:
    contents = PageReader(ITEMS).read(f'{{"Items": [{text}], "Cursor": null}}'.encode())
    return (records_of(contents) or contents.rejects)[0]


@pytest.mark.parametrize("more", [{}, {"New": 1}], ids=["whole page at once", "field by field"])
def test_nested_objects_lists_and_amounts_are_read_at_any_depth(more):
    record = read_item(json.dumps(ITEM | more))
    assert record == READ | {"extra": json.dumps(more).replace(" ", "") if more else None}
    assert read_item(json.dumps(ITEM | more | {"Amount": {"GrossValue": 5, "Tax": None}, "Labels": None})) == READ | {
        "gross_value": Decimal(5),
        "tax_code": None,
        "tax_values": None,
        "labels": None,
        "extra": record["extra"],
    }


@pytest.mark.parametrize(
    ("text", "value", "kept_text"),
    [
        ("0.1", "0.1", None),
        ("12345678901234.5678", "12345678901234.5678", None),
        ("-1e2", "-100", None),
        ("0.12345", "0.1234", "0.12345"),
        ("99.99995", "100", "99.99995"),
    ],
)
def test_an_amount_is_exact_and_one_with_more_decimals_keeps_its_text(text, value, kept_text):
    record = read_item(json.dumps(ITEM).replace("93.46", text))
    assert record["gross_value"] == Decimal(value)
    assert record["extra"] == (kept_text and f'{{"Amount":{{"GrossValue":{kept_text}}}}}')


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Amount": None}, "Amount.GrossValue is missing"),
        ({"Amount": ...}, "Amount.GrossValue is missing"),
        ({"Amount": {}}, "Amount.GrossValue is missing"),
        ({"Amount": [1]}, "Amount.GrossValue is missing"),
        ({"Amount": {"GrossValue": None}}, "Amount.GrossValue: "),
        ({"Amount": {"GrossValue": "NaN"}}, "Amount.GrossValue: the amount does not fit"),
        ({"Amount": {"GrossValue": 10**14}}, "Amount.GrossValue: the amount does not fit"),
        ({"Day": "2350-01-01"}, "Day: 2350-01-01 is not between"),
    ],
)
def test_a_record_with_an_unreadable_nested_value_is_rejected_with_its_path(change, reason):
    reject = read_item(json.dumps({name: value for name, value in (ITEM | change).items() if value is not ...}))
    assert isinstance(reject, Reject)
    assert reject.reason.startswith(reason)
    assert (reject.id, reject.scope_id, reject.enterprise_id) == ("i1", "e1", "e1")


@pytest.mark.parametrize(
    ("path", "value"),
    [("Labels", ["a", 5]), ("Labels", "a"), ("UnitCount", 2**63), ("UnitCount", 1.5), ("Weight", "x"), ("Day", "x")],
)
def test_a_list_or_number_of_an_unexpected_type_is_kept(path, value):
    record = read_item(json.dumps(ITEM | {path: value}))
    assert json.loads(kept(record)) == {path: value}
    assert [at_path(record, path, ITEMS), record["gross_value"]] == [None, Decimal("93.46")]
