import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pso_pipeline.contract.endpoints import ENTERPRISES, SERVICES
from pso_pipeline.mews.discovery import list_all
from pso_pipeline.mews.errors import ServerFault, TokenRefused, TooLarge
from pso_pipeline.mews.requests import Interval
from pso_pipeline_tests.mews.conftest import ACCESS_TOKEN
from pso_pipeline_tests.mews.scripted_server import Reply


def run(client, endpoint, **options):
    async def go():
        async with client:
            return await list_all(client, endpoint, ACCESS_TOKEN, **options)

    return asyncio.run(go())


def services_of(received) -> Reply:
    services = [{"Id": f"s-{name}", "EnterpriseId": name} for name in received.body["EnterpriseIds"]]
    return Reply(body={"Services": services, "Cursor": None})


def test_enterprises_of_a_token(server, make_client):
    enterprises = [
        {"Id": "e1", "Name": "Sample Hotel", "TimeZoneIdentifier": "Europe/Oslo", "Address": {"City": "Oslo"}},
        {"Id": "e2", "Name": None, "LinkedUtc": "2024-01-02T03:04:05Z"},
        {"Id": ""},
    ]
    began = datetime.now(UTC).replace(microsecond=0)
    server.replies += [
        Reply(body={"Enterprises": page, "Cursor": cursor}, headers={"Date": format_datetime(at, usegmt=True)})
        for page, cursor, at in ((enterprises, "e2", began), ([], None, began + timedelta(seconds=9)))
    ]
    interval = Interval(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    listing = run(make_client(), ENTERPRISES, updated_utc=interval)
    assert listing.rows["id"] == ["e1", "e2"]
    assert listing.rows["city"] == ["Oslo", None]
    assert listing.rows["linked_utc"] == [None, datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)]
    assert len(listing.rejects) == 1
    assert listing.server_time == began
    assert listing.latest_server_time == began + timedelta(seconds=9)
    received, _ = server.received
    assert received.path.endswith("/enterprises/getAll")
    assert "EnterpriseIds" not in received.body
    assert received.body["UpdatedUtc"] == {"StartUtc": "2024-01-01T00:00:00Z", "EndUtc": "2024-02-01T00:00:00Z"}


def test_services_of_more_enterprises_than_a_request_can_name(server, make_client):
    server.otherwise = lambda received: Reply(
        body={
            "Services": [
                {"Id": f"s-{name}", "EnterpriseId": name} for name in received.body["EnterpriseIds"] if int(name) % 2
            ],
            "Cursor": None,
        }
    )
    names = [str(number) for number in range(2500)]
    listing = run(make_client(), SERVICES, enterprise_ids=names)
    assert listing.rows["id"] == [f"s-{name}" for name in names if int(name) % 2]
    assert [len(received.body["EnterpriseIds"]) for received in server.received] == [1000, 1000, 500]


def test_ids_are_split_where_the_body_is_too_large(server, make_client):
    def answer(received):
        return Reply(413) if len(received.body["EnterpriseIds"]) > 3 else services_of(received)

    server.otherwise = answer
    listing = run(make_client(), SERVICES, enterprise_ids=list("abcdefghij"))
    assert listing.rows["id"] == [f"s-{name}" for name in "abcdefghij"]
    assert [len(received.body["EnterpriseIds"]) for received in server.received] == [10, 5, 2, 3, 5, 2, 3]


def test_one_id_that_is_too_large_fails(server, make_client):
    server.otherwise = Reply(413)
    with pytest.raises(TooLarge):
        run(make_client(), SERVICES, enterprise_ids=["a"])


def test_no_ids_ask_for_nothing(server, make_client):
    assert run(make_client(), SERVICES, enterprise_ids=[]).rows == {}
    assert server.received == []


@pytest.mark.parametrize(
    "body", [{}, {"Enterprises": None}, {"Enterprises": {}}, {"Enterprises": "none"}, {"Services": [], "Cursor": None}]
)
def test_an_answer_without_a_list_is_not_an_empty_list(server, make_client, body):
    server.otherwise = Reply(body=body)
    with pytest.raises(ServerFault, match="Enterprises"):
        run(make_client(), ENTERPRISES)
    assert len(server.received) > 1, "it is retried"


def test_a_failed_read_is_not_an_empty_list(server, make_client):
    server.replies.append(Reply(401, {"Message": "Invalid AccessToken", "RequestId": "r"}))
    with pytest.raises(TokenRefused):
        run(make_client(), ENTERPRISES)
