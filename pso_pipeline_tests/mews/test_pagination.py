import asyncio
from contextlib import aclosing

import pytest

from pso_pipeline.mews.errors import RepeatedCursor, RequestRefused, TooHeavy, TooLarge
from pso_pipeline.mews.pagination import pages
from pso_pipeline.mews.records import extras
from pso_pipeline.mews.requests import GetServices, Limitation
from pso_pipeline_tests.mews.conftest import ACCESS_TOKEN
from pso_pipeline_tests.mews.scripted_server import Received, Reply

REQUEST = GetServices(limitation=Limitation(count=2))


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


def walk(client, request=REQUEST, **options):
    async def run():
        async with client:
            return [page async for page in pages(client, request, ACCESS_TOKEN, **options)]

    return asyncio.run(run())


def ids(found):
    return [[record.id for record in page.records] for page in found]


def cursors_sent(server):
    return [received.body["Limitation"]["Cursor"] for received in server.received]


def test_it_follows_the_cursors_to_a_short_page(server, make_client):
    server.replies += [reply("a", "b"), reply("c", "d"), reply("e")]
    found = walk(make_client())
    assert ids(found) == [["a", "b"], ["c", "d"], ["e"]]
    assert cursors_sent(server) == [None, "b", "d"]
    assert [page.cursor for page in found] == ["b", "d", "e"]
    assert [page.is_last for page in found] == [False, False, True]
    assert [page.count for page in found] == [2, 2, 1]
    assert {page.request_id for page in found} == {"req-header"}
    assert all(page.server_time for page in found)


def test_it_stops_on_an_empty_page_when_the_data_end_with_a_full_one(server, make_client):
    server.replies += [reply("a", "b"), reply(cursor=None)]
    found = walk(make_client())
    assert ids(found) == [["a", "b"], []]
    assert found[-1].is_last


def test_it_stops_on_a_null_cursor_even_of_a_full_page(server, make_client):
    server.replies += [reply("a", "b", cursor=None)]
    assert ids(walk(make_client())) == [["a", "b"]]


def test_it_stops_on_no_content(server, make_client):
    server.replies += [reply("a", "b"), Reply(204, headers={"Content-Length": ""})]
    found = walk(make_client())
    assert ids(found) == [["a", "b"], []]
    assert (found[-1].cursor, found[-1].count, found[-1].is_last) == (None, 0, True)


def test_rejected_items_count_towards_a_full_page(server, make_client):
    server.replies += [Reply(body={"Services": [5, None], "Cursor": "b"}), reply("c")]
    found = walk(make_client())
    assert ids(found) == [[], ["c"]]
    assert len(found[0].rejects) == 2


def test_it_goes_on_from_a_cursor(server, make_client):
    server.replies += [reply("c")]
    walk(make_client(), start_cursor="b")
    assert cursors_sent(server) == ["b"]


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


def test_a_cursor_seen_before_does_not_matter_on_the_last_page(server, make_client):
    server.replies += [reply("a", "b"), reply("b", cursor="b")]
    assert ids(walk(make_client())) == [["a", "b"], ["b"]]


def test_a_page_too_heavy_is_asked_for_in_halves_and_larger_again_later(server, make_client):
    world = World(3000, heaviest=300)
    server.otherwise = world
    found = walk(make_client(), GetServices())
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
    found = walk(make_client(), GetServices())
    assert sum(page.count for page in found) == 3000
    assert world.counts == [1000, 500, 500, 500, 500, 1000, 1000]


def test_too_heavy_on_the_smallest_page_fails(server, make_client):
    server.otherwise = Reply(408, {"Message": "too heavy"})
    with pytest.raises(TooHeavy):
        walk(make_client(), GetServices())
    counts = [received.body["Limitation"]["Count"] for received in server.received]
    assert counts == [1000, 500, 250, 125, 62, 31, 15, 10]


def test_a_short_page_is_short_of_what_was_asked_for_it(server, make_client):
    server.otherwise = World(25, heaviest=10)
    found = walk(make_client(), GetServices(limitation=Limitation(count=20)))
    assert [page.count for page in found] == [10, 10, 5]


def test_too_large_fails_at_once(server, make_client):
    server.replies += [Reply(413, {"Message": "too large"})]
    with pytest.raises(TooLarge):
        walk(make_client())


def test_the_next_page_is_asked_for_while_the_caller_is_busy(server, make_client):
    server.replies += [reply("a", "b"), reply("c")]

    async def run():
        async with make_client() as client, aclosing(pages(client, REQUEST, ACCESS_TOKEN)) as found:
            await anext(found)
            server.is_asked.clear()
            assert await asyncio.to_thread(server.is_asked.wait, 10)
            return await anext(found)

    assert ids([asyncio.run(run())]) == [["c"]]


def test_stopping_early_leaves_nothing_behind(server, make_client):
    server.replies += [reply("a", "b"), Reply(ending="silent")]

    async def run():
        async with make_client() as client:
            async with aclosing(pages(client, REQUEST, ACCESS_TOKEN)) as found:
                await anext(found)
                server.is_asked.clear()
                await asyncio.to_thread(server.is_asked.wait, 10)
            return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


def test_a_failure_of_the_page_ahead_comes_after_the_page_before(server, make_client):
    server.replies += [reply("a", "b"), Reply(400, {"Message": "Invalid Cursor"})]
    seen: list[str] = []

    async def run():
        async with make_client() as client:
            async for page in pages(client, REQUEST, ACCESS_TOKEN):
                seen.extend(record.id for record in page.records)

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
    server.replies += [Reply(body={"Services": [service, service | {"New": 1}], "Cursor": "a"}), reply("b")]
    first, last = walk(make_client())
    assert extras(first.records) == [None, '{"New":1}']
    assert extras(last.records) is None
