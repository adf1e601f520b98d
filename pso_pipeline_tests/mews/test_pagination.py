import asyncio
import itertools
from contextlib import aclosing

import pytest

from pso_pipeline.contract.endpoints import ENTERPRISES, PRODUCT_SERVICE_ORDERS, SERVICES
from pso_pipeline.mews.errors import (
    EndlessWalk,
    OversizedResponse,
    RepeatedCursor,
    RequestRefused,
    ServerFault,
    TooHeavy,
    TooLarge,
)
from pso_pipeline.mews.pagination import pages
from pso_pipeline.mews.requests import GetAll, Limitation
from pso_pipeline_tests.ingestion.other_api import OtherApi, serve_other_api
from pso_pipeline_tests.mews.conftest import ACCESS_TOKEN, CLIENT_TOKEN
from pso_pipeline_tests.mews.scripted_server import Received, Reply, ScriptedServer

REQUEST = GetAll(SERVICES, limitation=Limitation(count=2))
OPERATIONS = (GetAll(ENTERPRISES), GetAll(SERVICES), GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": ["s"]}))
TIME = "2024-01-01T00:00:00Z"


def reply(*ids, cursor=...) -> Reply:
    services = [{"Id": name, "EnterpriseId": "e"} for name in ids]
    return Reply(body={"Services": services, "Cursor": ids[-1] if cursor is ... else cursor})


class World:
    """A server with numbered services, newest first; it gives up (408) on pages of more than `heaviest`."""

    def __init__(self, size: int, heaviest: int = 1000) -> None:
        self.ids = [f"s{number}" for number in range(size)]
        self.heaviest = heaviest
        self.counts: list[int] = []

    def __call__(self, received: Received) -> Reply:
        limitation = received.body["Limitation"]
        self.counts.append(limitation["Count"])
        if limitation["Count"] > self.heaviest:
            return Reply(408, {"Message": "too heavy"})
        start = self.ids.index(limitation["Cursor"]) + 1 if limitation["Cursor"] else 0
        found = self.ids[start : start + limitation["Count"]]
        return reply(*found, cursor=found[-1] if found else None)


END = reply(cursor=None)


def walk(client, request=REQUEST, **options):
    async def run():
        async with client:
            return [page async for page in pages(client, request, ACCESS_TOKEN, **options)]

    return asyncio.run(run())


def ids(found):
    return [page.rows["id"] for page in found]


def cursors_sent(server):
    return [received.body["Limitation"]["Cursor"] for received in server.received]


@pytest.mark.parametrize(
    "end", [END, reply(cursor=""), reply(cursor="e"), Reply(204, headers={"Content-Length": ""})], ids=str
)
def test_it_follows_the_cursors_to_an_empty_page(server, make_client, end):
    server.replies += [reply("a", "b"), reply("c"), reply("d", "e"), end]
    found = walk(make_client())
    assert ids(found) == [["a", "b"], ["c"], ["d", "e"], []]
    assert cursors_sent(server) == [None, "b", "c", "e"], "a page shorter than Count is not the end"
    assert [page.is_last for page in found] == [False, False, False, True]
    assert [page.count for page in found] == [2, 1, 2, 0]
    assert {page.request_id for page in found} == {"req-header"}
    assert all(page.server_time for page in found)


@pytest.mark.parametrize("cursor", [None, ""])
@pytest.mark.parametrize("last", [(), ("c",), ("c", "d")])
def test_it_stops_on_a_null_or_empty_cursor_whatever_the_page_holds(server, make_client, cursor, last):
    server.replies += [reply("a", "b"), reply(*last, cursor=cursor)]
    found = walk(make_client())
    assert ids(found) == [["a", "b"], list(last)]
    assert [page.is_last for page in found] == [False, True]


@pytest.mark.parametrize("largest", [1, 7, 100])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda request: request.operation)
def test_a_server_of_short_pages_is_read_whole(make_client, largest, operation):
    records = [
        {"Id": f"x{number}", "EnterpriseId": "e", "ServiceId": "s", "CreatedUtc": TIME, "UpdatedUtc": TIME}
        for number in range(301)
    ]
    with serve_other_api(OtherApi(records, records, records, ACCESS_TOKEN.reveal(), largest_page=largest)) as address:
        found = walk(make_client(address=address), operation)
    assert sorted(name for page in ids(found) for name in page) == sorted(record["Id"] for record in records)


def test_it_stops_on_a_null_cursor_even_of_a_full_page(server, make_client):
    server.replies += [reply("a", "b", cursor=None)]
    assert ids(walk(make_client())) == [["a", "b"]]


def test_rejected_items_make_a_page_that_is_not_empty(server, make_client):
    server.replies += [Reply(body={"Services": [5, None], "Cursor": "b"}), reply("c"), END]
    found = walk(make_client())
    assert ids(found) == [[], ["c"], []]
    assert len(found[0].rejects) == 2


def test_it_goes_on_from_a_cursor(server, make_client):
    server.replies += [reply("c"), END]
    walk(make_client(), start_cursor="B")
    assert cursors_sent(server) == ["B", "c"]


def test_a_cursor_goes_back_as_it_came(server, make_client):
    server.replies += [reply("A", "B"), END]
    assert ids(walk(make_client())) == [["a", "b"], []]
    assert cursors_sent(server) == [None, "B"]


@pytest.mark.parametrize(
    ("replies", "start"),
    [
        ([reply("a", "b"), reply("c", "b")], None),
        ([reply("a", "b"), reply("c", "d"), reply("e", "b")], None),
        ([reply("a", "b")], "b"),
    ],
)
def test_it_refuses_a_cursor_that_leads_back(server, make_client, replies, start):
    server.replies += replies
    with pytest.raises(RepeatedCursor, match="'b'"):
        walk(make_client(), start_cursor=start)


def test_a_cursor_seen_before_does_not_matter_on_an_empty_page(server, make_client):
    server.replies += [reply("a", "b"), reply(cursor="b")]
    assert ids(walk(make_client())) == [["a", "b"], []]


@pytest.mark.parametrize("pages_of_data", [1, 2, 5, 30])
def test_pages_that_bring_nothing_new_end_the_walk(server, make_client, pages_of_data):
    numbers = itertools.count()

    def again_and_again(_received):
        number = next(numbers)
        first = 2 * (number % pages_of_data)
        return reply(f"s{first}", f"s{first + 1}", cursor=f"c{number}")

    server.otherwise = again_and_again
    with pytest.raises(RepeatedCursor, match="3 pages in a row brought nothing new"):
        walk(make_client())
    assert len(server.received) == pages_of_data + 3


def test_unreadable_items_that_come_again_and_again_end_the_walk(server, make_client):
    numbers = itertools.count()
    server.otherwise = lambda _received: Reply(body={"Services": [5, {"Id": "x"}], "Cursor": f"c{next(numbers)}"})
    with pytest.raises(RepeatedCursor, match="nothing new"):
        walk(make_client())


def test_two_pages_of_known_items_do_not_end_the_walk(server, make_client):
    server.replies += [reply("a", "b"), reply("b", "a", cursor="x"), reply("a", cursor="y"), reply("a", "c"), END]
    assert ids(walk(make_client())) == [["a", "b"], ["b", "a"], ["a"], ["a", "c"], []]


def test_a_walk_beyond_all_bounds_is_given_up(server, make_client, monkeypatch):
    monkeypatch.setattr("pso_pipeline.mews.pagination._MOST_PAGES", 20)
    numbers = itertools.count()
    server.otherwise = lambda _received: reply(f"s{next(numbers)}")
    with pytest.raises(EndlessWalk, match="not ended after 20") as caught:
        walk(make_client())
    assert type(caught.value) is EndlessWalk
    assert len(server.received) == 20


@pytest.mark.parametrize(
    "cursor", [f"{ACCESS_TOKEN.reveal()}", f"x {CLIENT_TOKEN.reveal()[:40]}", "\x1b[31mred\nline\u202e", "y" * 4000]
)
def test_a_repeated_cursor_is_shown_without_tokens_in_one_short_line(server, make_client, cursor):
    server.otherwise = reply("a", "b", cursor=cursor)
    with pytest.raises(RepeatedCursor) as caught:
        walk(make_client(), start_cursor=cursor)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 500
    for token in (ACCESS_TOKEN, CLIENT_TOKEN):
        assert token.reveal()[:30] not in text + repr(caught.value)


@pytest.mark.parametrize("cursor", [5, 1.5, True, {"Id": "a"}, ["a"]])
def test_a_cursor_that_is_no_text_is_a_fault_of_the_server(server, make_client, cursor):
    server.otherwise = reply("a", "b", cursor=cursor)
    with pytest.raises(ServerFault, match=r"Cursor"):
        walk(make_client())
    assert len(server.received) > 1, "it is retried"


def test_a_page_over_the_limit_is_halved(make_client, monkeypatch):
    monkeypatch.setattr("pso_pipeline.mews.transport.MAX_PAGE_BYTES", 40_000)
    world = World(2500)

    def large(received):
        answer = world(received)
        for service in answer.body["Services"]:
            service["Name"] = "x" * 100
        return answer

    with ScriptedServer(large) as server:
        found = walk(make_client(address=server.address), GetAll(SERVICES))
    assert [name for page in ids(found) for name in page] == world.ids
    assert world.counts[:3] == [1000, 500, 250]


def test_a_page_over_the_limit_at_every_size_fails(server, make_client, monkeypatch, fake_time):
    monkeypatch.setattr("pso_pipeline.mews.transport.MAX_PAGE_BYTES", 10_000)
    server.otherwise = Reply(body=b" " * 20_000)
    with pytest.raises(OversizedResponse):
        walk(make_client(), GetAll(SERVICES))
    counts = [received.body["Limitation"]["Count"] for received in server.received]
    assert counts == [1000, 500, 250, 125, 62, 31, 15, 10]
    assert fake_time.pauses == []


def test_a_page_too_heavy_is_halved_and_grows_again(server, make_client):
    world = World(3000, heaviest=300)
    server.otherwise = world
    found = walk(make_client(), GetAll(SERVICES))
    assert [name for page in found for name in ids([page])[0]] == world.ids
    assert world.counts[:3] == [1000, 500, 250]
    assert world.counts[3:11] == [250] * 7 + [500], "eight pages go well before a larger one is tried"
    assert world.counts.count(500) == 2, "each failure doubles the pages that must go well before the next try"


def test_a_server_that_recovers_gets_full_pages_again(server, make_client):
    world = World(3000, heaviest=600)

    def recover(received):
        world.heaviest = 1000 if len(world.counts) > 3 else 600
        return world(received)

    server.otherwise = recover
    found = walk(make_client(), GetAll(SERVICES))
    assert sum(page.count for page in found) == 3000
    assert world.counts == [1000, 500, 500, 500, 500, 1000, 1000]


def test_too_heavy_on_the_smallest_page_fails(server, make_client):
    server.otherwise = Reply(408, {"Message": "too heavy"})
    with pytest.raises(TooHeavy):
        walk(make_client(), GetAll(SERVICES))
    counts = [received.body["Limitation"]["Count"] for received in server.received]
    assert counts == [1000, 500, 250, 125, 62, 31, 15, 10]


def test_too_large_fails_at_once(server, make_client):
    server.replies += [Reply(413, {"Message": "too large"})]
    with pytest.raises(TooLarge):
        walk(make_client())


def test_the_next_page_is_requested_while_the_caller_is_busy(server, make_client):
    server.replies += [reply("a", "b"), reply("c", cursor=None)]

    async def run():
        async with make_client() as client, aclosing(pages(client, REQUEST, ACCESS_TOKEN)) as found:
            await anext(found)
            server.received_one.clear()
            assert await asyncio.to_thread(server.received_one.wait, 10)
            return await anext(found)

    assert ids([asyncio.run(run())]) == [["c"]]


def test_stopping_early_leaves_nothing_behind(server, make_client):
    server.replies += [reply("a", "b"), Reply(ending="silent")]

    async def run():
        async with make_client() as client:
            async with aclosing(pages(client, REQUEST, ACCESS_TOKEN)) as found:
                await anext(found)
                server.received_one.clear()
                await asyncio.to_thread(server.received_one.wait, 10)
            return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


def test_a_failure_of_the_page_ahead_comes_after_the_page_before(server, make_client):
    server.replies += [reply("a", "b"), Reply(400, {"Message": "Invalid Cursor"})]
    seen: list[str] = []

    async def run():
        async with make_client() as client:
            async for page in pages(client, REQUEST, ACCESS_TOKEN):
                seen.extend(page.rows["id"])

    with pytest.raises(RequestRefused, match="Invalid Cursor"):
        asyncio.run(run())
    assert seen == ["a", "b"]


def test_a_failure_of_the_page_ahead_is_not_lost_noise_when_the_caller_stops(server, make_client, caplog):
    server.replies += [reply("a", "b"), Reply(400, {"Message": "Invalid Cursor"})]

    async def run():
        async with make_client() as client, aclosing(pages(client, REQUEST, ACCESS_TOKEN)) as found:
            await anext(found)
            (ahead,) = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait({ahead})

    asyncio.run(run())
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_unknown_fields_of_a_page_are_at_hand(server, make_client):
    service = {"Id": "a", "EnterpriseId": "e"}
    server.replies += [
        Reply(body={"Services": [service, service | {"New": 1}], "Cursor": "a"}),
        reply("b", cursor=None),
    ]
    first, last = walk(make_client())
    assert first.rows["extra"] == [None, '{"New":1}']
    assert last.rows["extra"] == [None]
