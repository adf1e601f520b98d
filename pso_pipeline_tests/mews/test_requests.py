import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pso_pipeline.contract.endpoints import ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES
from pso_pipeline.mews.requests import (
    GetAll,
    Interval,
    InvalidParameter,
    Limitation,
    latest_end,
)

EXAMPLE = json.loads((Path(__file__).parent / "example_request.json").read_bytes())
DAY = datetime(2023, 4, 1, tzinfo=UTC)


def as_json(request):
    return json.loads(msgspec.json.encode(request.body()))


def test_the_specification_s_example():
    filters: dict[str, Any] = {
        "ServiceIds": ["ae8da28c-e8a4-4141-9df0-8c998976c691", "6b02d015-47ac-4c41-8e9f-5b4db61d4284"],
        "ProductServiceOrderIds": ["9e6d4492-315b-4089-b9d6-5b1bd2eddc1b"],
        "LinkedReservationIds": ["0f515589-99b4-423d-b83a-b237009f0509", "b7a3f5cb-1e69-4a5f-a069-10f461996d7f"],
        "UpdatedUtc": Interval(datetime(2023, 4, 1, tzinfo=UTC), datetime(2023, 5, 5, tzinfo=UTC)),
        "States": ["Confirmed", "Started"],
    }
    request = GetAll(PRODUCT_SERVICE_ORDERS, filters, Limitation(10, "819e3435-7d5e-441f-bc68-76d89c69b8f5"))
    tokens = {"ClientToken", "AccessToken", "Client"}
    assert as_json(request) == {name: value for name, value in EXAMPLE.items() if name not in tokens}


def test_every_filter_has_its_name():
    orders = GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": ["s"], "EnterpriseIds": ["e"], "AccountIds": ["a"]})
    assert as_json(orders) == {
        "ServiceIds": ["s"],
        "EnterpriseIds": ["e"],
        "AccountIds": ["a"],
        "Limitation": {"Count": 1000, "Cursor": None},
    }
    month = Interval(DAY, DAY + timedelta(days=30))
    rendered = {"StartUtc": "2023-04-01T00:00:00Z", "EndUtc": "2023-05-01T00:00:00Z"}
    filters: dict[str, Any] = {
        "EnterpriseIds": ["e"],
        "ExternalIdentifiers": ["x"],
        "LinkedUtc": month,
        "UpdatedUtc": month,
    }
    enterprises = GetAll(ENTERPRISES, filters)
    assert as_json(enterprises) == {
        "EnterpriseIds": ["e"],
        "ExternalIdentifiers": ["x"],
        "LinkedUtc": rendered,
        "UpdatedUtc": rendered,
        "Limitation": {"Count": 1000, "Cursor": None},
    }
    filters = {"EnterpriseIds": ["e"], "ServiceIds": ["s"], "ServiceType": "Orderable", "UpdatedUtc": month}
    services = GetAll(SERVICES, filters)
    assert as_json(services) == {
        "EnterpriseIds": ["e"],
        "ServiceIds": ["s"],
        "ServiceType": "Orderable",
        "UpdatedUtc": rendered,
        "Limitation": {"Count": 1000, "Cursor": None},
    }


@pytest.mark.parametrize(
    "name",
    [
        "ServiceIds",
        "EnterpriseIds",
        "ProductServiceOrderIds",
        "AccountIds",
        "LinkedReservationIds",
        "States",
    ],
)
@pytest.mark.parametrize("values", [[], ["x"] * 1001, [""], [None], "one-id"])
def test_lists_hold_1_to_1000_texts(name, values):
    with pytest.raises(InvalidParameter) as caught:
        GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": ["s"], name: values})
    assert caught.value.parameter == name
    assert caught.value.parameter in str(caught.value)


@pytest.mark.parametrize(
    ("filters", "name"), [({"ServiceIds": ["s"], "Services": ["s"]}, "Services"), ({}, "ServiceIds")]
)
def test_a_filter_that_the_operation_does_not_have_or_requires_is_named(filters, name):
    with pytest.raises(InvalidParameter) as caught:
        GetAll(PRODUCT_SERVICE_ORDERS, filters)
    assert caught.value.parameter == name


def test_lists_of_1_and_of_1000_pass():
    for count in (1, 1000):
        assert len(GetAll(SERVICES, {"ServiceIds": ["s"] * count}).body()["ServiceIds"]) == count


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_count_is_1_to_1000(count):
    with pytest.raises(InvalidParameter, match=r"Limitation\.Count"):
        Limitation(count)


def test_an_empty_cursor_is_refused():
    with pytest.raises(InvalidParameter, match=r"Limitation\.Cursor"):
        Limitation(10, "")


def test_an_interval_needs_a_time_zone_and_an_order():
    with pytest.raises(InvalidParameter, match="EndUtc"):
        Interval(DAY, DAY.replace(tzinfo=None))
    with pytest.raises(InvalidParameter, match="StartUtc"):
        Interval(DAY, DAY - timedelta(seconds=1))
    assert Interval(DAY, DAY).start_utc == DAY


def test_an_interval_is_sent_in_utc_and_in_whole_seconds_that_hold_it():
    east = timezone(timedelta(hours=2))
    interval = Interval(datetime(2023, 4, 1, 2, 0, 0, 999_999, east), datetime(2023, 4, 1, 2, 0, 1, 1, east))
    body = GetAll(ENTERPRISES, {"UpdatedUtc": interval}).body()
    assert body["UpdatedUtc"] == {"StartUtc": "2023-04-01T00:00:00Z", "EndUtc": "2023-04-01T00:00:02Z"}


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2023, 1, 15, tzinfo=UTC), datetime(2023, 4, 15, tzinfo=UTC)),
        (datetime(2023, 11, 30, 12, tzinfo=UTC), datetime(2024, 2, 29, 12, tzinfo=UTC)),
        (datetime(2022, 11, 30, tzinfo=UTC), datetime(2023, 2, 28, tzinfo=UTC)),
        (datetime(2023, 10, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
        (datetime(2023, 9, 30, tzinfo=UTC), datetime(2023, 12, 30, tzinfo=UTC)),
    ],
)
def test_updated_utc_is_3_calendar_months_at_most(start, end):
    assert latest_end(start) == end
    GetAll(SERVICES, {"UpdatedUtc": Interval(start, end)})
    with pytest.raises(InvalidParameter, match="UpdatedUtc"):
        GetAll(SERVICES, {"UpdatedUtc": Interval(start, end + timedelta(seconds=1))})


def test_at_asks_for_another_page():
    request = GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": ["s"], "States": ["Started"]})
    other = request.at(Limitation(5, "c"))
    assert other.body() == request.body() | {"Limitation": {"Count": 5, "Cursor": "c"}}
