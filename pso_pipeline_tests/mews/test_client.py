import asyncio
import contextlib
import dataclasses
import gzip
import itertools
import json
import logging
import socket
import ssl
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from pso_pipeline.contract.endpoints import PRODUCT_SERVICE_ORDERS, SERVICES
from pso_pipeline.contract.limits import MAX_PAGE_BYTES
from pso_pipeline.mews.client import Tally
from pso_pipeline.mews.errors import (
    CircuitOpen,
    MewsError,
    OversizedResponse,
    RequestRefused,
    ServerFault,
    TokenRefused,
    TooHeavy,
    TooLarge,
    TooManyRequests,
    Unreachable,
)
from pso_pipeline.mews.limiter.turns import RateLimit
from pso_pipeline.mews.records import PageReader
from pso_pipeline.mews.requests import GetAll, Interval, Limitation
from pso_pipeline.mews.responses import read_date
from pso_pipeline.mews.retry import BRIEF, RetryPolicy
from pso_pipeline.mews.tokens import Token
from pso_pipeline.mews.transport import Timeouts
from pso_pipeline_tests.mews.conftest import ACCESS_TOKEN, CLIENT_TOKEN
from pso_pipeline_tests.mews.scripted_server import Reply, ScriptedServer

HERE = Path(__file__).parent
EXAMPLE_REQUEST = json.loads((HERE / "example_request.json").read_bytes())
EXAMPLE_RESPONSE = (HERE / "example_response.json").read_bytes()
REQUEST = GetAll(PRODUCT_SERVICE_ORDERS, {"ServiceIds": ["s"]})
READER = PageReader(PRODUCT_SERVICE_ORDERS)
GOOD = Reply(body=EXAMPLE_RESPONSE)


def call(client, request=REQUEST, token=ACCESS_TOKEN):
    async def run():
        async with client:
            return await client.call(request, token, READER.read)

    return asyncio.run(run())


def tally(client):
    return client.tallies[REQUEST.operation]


def test_the_example_of_the_specification_is_sent_and_read_unchanged(server, make_client):
    server.replies.append(GOOD)
    lists = ("ServiceIds", "ProductServiceOrderIds", "LinkedReservationIds", "States")
    month = Interval(datetime(2023, 4, 1, tzinfo=UTC), datetime(2023, 5, 5, tzinfo=UTC))
    filters = {name: EXAMPLE_REQUEST[name] for name in lists} | {"UpdatedUtc": month}
    request = GetAll(PRODUCT_SERVICE_ORDERS, filters, Limitation(10, EXAMPLE_REQUEST["Limitation"]["Cursor"]))
    response = call(make_client(), request)
    (received,) = server.received
    assert received.path == "/api/connector/v1/productServiceOrders/getAll"
    assert received.headers["Content-Type"] == "application/json"
    assert received.body == EXAMPLE_REQUEST
    assert response.content == READER.read(EXAMPLE_RESPONSE)
    assert (response.status, response.request_id) == (200, "req-header")
    assert abs((response.server_time - datetime.now(UTC)).total_seconds()) < 60


def test_no_content_is_a_response_without_content(server, make_client):
    server.replies.append(Reply(204, headers={"Content-Length": ""}))
    response = call(make_client())
    assert (response.content, response.status) == (None, 204)


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_missing_or_broken_date_is_none(server, make_client, date):
    server.replies.append(Reply(body=EXAMPLE_RESPONSE, headers={"Date": date}))
    assert call(make_client()).server_time is None


ODD_DATES = [
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -1200",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +1400",
    "Mon, 01 Jan 0000 00:00:00 GMT",
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2024 99:99:99 +99999999999999999999",
    "Mon, 99 Foo 2024",
    ",",
    "-1",
    "1e999",
    "9" * 400,
    "9999-12-31T23:59:59-01:00",
]


@pytest.mark.parametrize("header", ODD_DATES)
def test_no_form_of_a_date_is_a_crash(server, make_client, fake_time, header):
    odd = {"Date": header, "Retry-After": header}
    server.replies += [Reply(429, {"Message": "slow down"}, odd), Reply(body=EXAMPLE_RESPONSE, headers=odd), GOOD]
    response = call(make_client())
    assert response.server_time is None or len(server.received) == 3, "any other date is that of a wrong clock"
    assert 0.5 <= fake_time.pauses[0] <= 1.0, "the first backoff"


@given(
    st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"))
    | st.from_regex(
        r"[A-Z][a-z]{2}, [0-9]{1,3} (Jan|Dec) [0-9]{1,12} [0-9]{1,3}:[0-9]{2}:[0-9]{2} [+-][0-9]{1,12}", fullmatch=True
    )
)
def test_any_header_is_a_moment_or_none(header):
    moment = read_date(header)
    assert moment is None or moment.utcoffset() == timedelta()


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
@pytest.mark.parametrize("status", [200, 204])
def test_a_response_of_a_wrong_clock_is_retried_and_never_believed(server, make_client, fake_time, days, status):
    date = format_datetime(datetime.fromtimestamp(fake_time.now, UTC) + timedelta(days=days), usegmt=True)
    odd = Reply(status, b"" if status == 204 else EXAMPLE_RESPONSE, {"Date": date})
    server.replies += [odd, odd, GOOD]
    response = call(make_client())
    assert abs((response.server_time - datetime.now(UTC)).total_seconds()) < 60
    assert len(server.received) == 3
    server.otherwise = odd
    with pytest.raises(ServerFault, match=r"more than a day apart\. Set this machine's clock if it is wrong") as caught:
        call(make_client())
    assert (caught.value.status, caught.value.request_id) == (status, "req-header")


@pytest.mark.parametrize("hours", [-23, 23])
def test_a_clock_within_a_day_is_believed(server, make_client, fake_time, hours):
    date = datetime.fromtimestamp(fake_time.now, UTC) + timedelta(hours=hours)
    server.replies += [Reply(body=EXAMPLE_RESPONSE, headers={"Date": format_datetime(date, usegmt=True)})]
    assert call(make_client()).server_time == date


@pytest.mark.parametrize(("status", "kind"), [(401, TokenRefused), (400, RequestRefused), (408, TooHeavy)])
def test_a_refusal_is_a_refusal_with_any_clock(server, make_client, status, kind):
    server.replies += [Reply(status, b"x", {"Date": ODD_DATES[0], "Content-Encoding": "gzip"})]
    with pytest.raises(kind):
        call(make_client())


@pytest.mark.parametrize(
    "case",
    [
        (400, RequestRefused),
        (401, TokenRefused),
        (403, RequestRefused),
        (404, RequestRefused),
        (405, RequestRefused),
        (408, TooHeavy),
        (413, TooLarge),
        (422, RequestRefused),
    ],
)
@pytest.mark.parametrize("has_body", [True, False])
def test_a_refusal_fails_at_once_with_message_and_request_id(server, make_client, fake_time, case, has_body):
    status, kind = case
    body = {"Message": "Invalid\n ServiceIds", "RequestId": "req-body", "Details": None} if has_body else b"<html>"
    server.replies.append(Reply(status, body))
    client = make_client()
    with pytest.raises(kind) as caught:
        call(client)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.request_id == ("req-body" if has_body else "req-header")
    text = str(caught.value)
    assert ("Invalid ServiceIds" in text) is has_body
    assert caught.value.request_id in text
    assert "\n" not in text
    assert fake_time.pauses == []
    assert (tally(client).requests, tally(client).retries) == (1, 0)


def test_a_redirect_is_refused_and_its_target_named(server, make_client):
    server.replies.append(Reply(302, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(RequestRefused, match=r"redirects to https: //elsewhere\.example/"):
        call(make_client())


FAULTS = {
    "500": Reply(500, {"Message": "Oops", "RequestId": "req-body", "Details": None}),
    "502 without JSON": Reply(502, b"<html>Bad Gateway</html>"),
    "503 without a body": Reply(503),
    "202": Reply(202, b"{}"),
    "connection reset": Reply(ending="reset"),
    "body cut": Reply(body=EXAMPLE_RESPONSE, ending="cut"),
    "body cut, length right": Reply(body=EXAMPLE_RESPONSE[:300]),
    "body is no JSON": Reply(body=b"<html>maintenance</html>"),
    "body is another object": Reply(body={"Message": "hello"}),
    "body has no list": Reply(body={"ProductServiceOrders": None, "Cursor": None}),
    "body is no gzip": Reply(body=b"nonsense", headers={"Content-Encoding": "gzip"}),
    "body is gzip": Reply(body=gzip.compress(EXAMPLE_RESPONSE), headers={"Content-Encoding": "gzip"}),
    "body is in an unknown encoding": Reply(body=EXAMPLE_RESPONSE, headers={"Content-Encoding": "br, zstd\x1b[31m"}),
    "body is empty": Reply(body=b""),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_server_is_retried(server, make_client, fake_time, fault):
    server.replies += [fault, fault, GOOD]
    client = make_client()
    assert call(client).content.count == 1
    assert len(fake_time.pauses) == 2
    assert 0.5 <= fake_time.pauses[0] <= 1.0 <= fake_time.pauses[1] <= 2.0
    assert (tally(client).requests, tally(client).retries) == (3, 2)
    assert [received.body for received in server.received] == [server.received[0].body] * 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_lasts_fails_in_the_end(server, make_client, fake_time, fault):
    server.otherwise = fault
    client = make_client()
    with pytest.raises(ServerFault) as caught:
        call(client)
    assert 5 < tally(client).requests <= RetryPolicy().attempts
    assert 10 < sum(fake_time.pauses) <= RetryPolicy().seconds
    if fault.status >= 500:
        assert caught.value.status == fault.status
        assert caught.value.request_id in {"req-body", "req-header"}


def test_a_compressed_body_is_refused_and_named(server, make_client):
    server.otherwise = Reply(body=gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "GZip"})
    with pytest.raises(ServerFault, match=r"the body is encoded \(gzip\), which was not asked for"):
        call(make_client(retry_policy=BRIEF))


@pytest.mark.parametrize("has_length", [True, False])
def test_no_more_than_the_limit_is_read_of_a_body(make_client, monkeypatch, has_length):
    monkeypatch.setattr("pso_pipeline.mews.transport.MAX_PAGE_BYTES", len(EXAMPLE_RESPONSE))
    headers = {"Content-Length": "" if not has_length else str(8 * 1024 * 1024), "Connection": "close"}
    with ScriptedServer() as server:
        server.replies += [
            GOOD,
            Reply(body=EXAMPLE_RESPONSE.ljust(8 * 1024 * 1024), headers=headers),
        ]
        assert call(make_client(address=server.address)).content.count == 1
        client = make_client(address=server.address)
        with pytest.raises(OversizedResponse, match="the body is over"):
            call(client)
    assert tally(client).requests == 1


def test_the_limit_of_a_body_is_64_megabytes():
    assert MAX_PAGE_BYTES == 64 * 1024 * 1024


def test_a_long_response_that_is_no_result_is_not_read_to_its_end(server, make_client):
    server.replies += [Reply(400, json.dumps({"Message": "x" * 3_000_000}).encode())]
    with pytest.raises(RequestRefused, match="the server gives no reason"):
        call(make_client())


@pytest.mark.parametrize(
    "message", ["a\x1b[31mred\x07\x00", "line\r\nline\u2028line", "\u202eevil\u200b", "[/b]<img src=x>", "y" * 900_000]
)
def test_a_message_of_the_server_is_shown_in_one_short_line_without_control_characters(server, make_client, message):
    body = {"Message": message, "RequestId": message, "Details": message}
    server.replies += [Reply(400, body)]
    with pytest.raises(RequestRefused) as caught:
        call(make_client())
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1000
    assert caught.value.request_id is None or caught.value.request_id.isprintable()


def test_a_response_that_does_not_arrive_is_a_fault(server, make_client):
    server.replies += [Reply(ending="silent")] * 2
    client = make_client(timeouts=Timeouts(read=0.05), retry_policy=BRIEF)
    with pytest.raises(ServerFault, match="within the time"):
        call(client)
    assert tally(client).requests == 2


def test_a_response_that_takes_too_long_is_a_fault(server, make_client):
    server.replies += [Reply(ending="silent"), GOOD]
    assert call(make_client(timeouts=Timeouts(total=0.3))).content.count == 1


def test_retries_end_by_time_too(server, make_client, fake_time):
    server.otherwise = FAULTS["500"]
    client = make_client(retry_policy=RetryPolicy(attempts=1000, seconds=100.0))
    with pytest.raises(ServerFault):
        call(client)
    assert 20 < fake_time.steady <= 100.0


@pytest.mark.parametrize(
    ("header", "bounds"),
    [
        ("7", (7.0, 7.0)),
        ("2.5", (2.5, 2.5)),
        (format_datetime(datetime(2020, 1, 1, 0, 0, 9, tzinfo=UTC), usegmt=True), (9.0, 9.0)),
        ("600", (600.0, 600.0)),
        ("1", (1.0, 1.0)),
        ("", (0.5, 1.0)),
        ("0", (0.5, 1.0)),
        ("0.5", (0.5, 1.0)),
        ("-5", (0.5, 1.0)),
        ("601", (0.5, 1.0)),
        ("86400", (0.5, 1.0)),
        ("999999999", (0.5, 1.0)),
        (format_datetime(datetime(2020, 1, 1, 0, 11, tzinfo=UTC), usegmt=True), (0.5, 1.0)),
        (format_datetime(datetime(9999, 1, 1, tzinfo=UTC), usegmt=True), (0.5, 1.0)),
        ("soon", (0.5, 1.0)),
        (format_datetime(datetime(2019, 1, 1, tzinfo=UTC), usegmt=True), (0.5, 1.0)),
    ],
)
def test_after_429_it_waits_for_retry_after_and_goes_on(server, make_client, fake_time, header, bounds):
    low, high = bounds
    date = "Wed, 01 Jan 2020 00:00:00 GMT"
    server.replies += [Reply(429, {"Message": "slow down"}, {"Retry-After": header, "Date": date}), GOOD]
    client = make_client()
    assert call(client).content.count == 1
    (pause,) = fake_time.pauses
    assert low - 0.001 <= pause <= high + 0.001
    assert (tally(client).requests, tally(client).too_many_requests, tally(client).retries) == (2, 1, 0)


def test_a_date_to_retry_after_counts_from_our_clock_where_the_server_sends_none(server, make_client, fake_time):
    until = datetime.fromtimestamp(fake_time.now + 30, UTC)
    server.replies += [
        Reply(429, {"Message": "slow down"}, {"Retry-After": format_datetime(until, usegmt=True), "Date": ""}),
        GOOD,
    ]
    call(make_client())
    assert fake_time.pauses == [pytest.approx(30.0, abs=0.001)]


def test_429_without_retry_after_waits_longer_each_time_and_not_for_ever(server, make_client, fake_time):
    server.otherwise = Reply(429, {"Message": "slow down"})
    with pytest.raises(TooManyRequests) as caught:
        call(make_client(retry_policy=RetryPolicy(pause_seconds=300.0)))
    assert caught.value.status == 429
    assert sum(fake_time.pauses) <= 300.0
    bounds = [(0.5, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (30, 60)]
    assert len(fake_time.pauses) >= len(bounds)
    for pause, (low, high) in zip(fake_time.pauses, bounds, strict=False):
        assert low <= pause <= high


def test_a_pause_that_is_too_long_fails_at_once_and_binds_the_other_clients(server, make_client, fake_time):
    server.replies.append(Reply(429, {"Message": "slow down"}, {"Retry-After": "600"}))
    brief = RetryPolicy(pause_seconds=300.0)
    with pytest.raises(TooManyRequests) as caught:
        call(make_client(retry_policy=brief))
    assert caught.value.retry_after == 600
    with pytest.raises(TooManyRequests, match="the token pauses for 600 s") as caught:
        call(make_client(retry_policy=brief))
    assert caught.value.status is None
    assert len(server.received) == 1
    assert fake_time.pauses == []
    server.replies.append(GOOD)
    call(make_client(), token=Token("another"))


def test_after_429_no_other_request_of_the_token_goes_out(server, make_client, fake_time):
    server.replies.append(Reply(429, {"Message": "slow down"}, {"Retry-After": "20"}))
    with pytest.raises(TooManyRequests):
        call(make_client(retry_policy=RetryPolicy(pause_seconds=0.0)))
    server.replies.append(GOOD)
    call(make_client())
    assert fake_time.pauses == [pytest.approx(20.0)]


def test_a_request_that_leaves_late_takes_another_turn(server, make_client, fake_time):
    server.otherwise = GOOD
    limits = RateLimit(requests=2, window_seconds=30.0)
    turn_is_taken = 4  # times that the clock is read
    steady = itertools.chain([0.0] * turn_is_taken, itertools.repeat(3.0))
    slow = dataclasses.replace(fake_time.clock, steady=steady.__next__)
    call(make_client(rate_limit=limits, clock=slow))
    assert fake_time.pauses == []
    call(make_client(rate_limit=limits))
    assert fake_time.pauses == [pytest.approx(31.0, abs=0.01)]


def test_a_server_that_is_down_is_not_hammered(server, make_client, fake_time):
    server.otherwise = FAULTS["500"]

    async def run():
        async with make_client() as client:
            calls = (client.call(REQUEST, ACCESS_TOKEN, READER.read) for _ in range(40))
            failures = await fake_time.side_by_side(*calls)
            fake_time.steady += RetryPolicy().longest_backoff
            with pytest.raises((ServerFault, CircuitOpen)):
                await client.call(REQUEST, ACCESS_TOKEN, READER.read)
            sent = len(server.received)
            with pytest.raises(CircuitOpen) as caught:
                await client.call(REQUEST, ACCESS_TOKEN, READER.read)
            return failures, sent, caught.value

    failures, sent, last = asyncio.run(run())
    assert all(isinstance(failure, ServerFault | CircuitOpen) and "Oops" in str(failure) for failure in failures)
    assert len(server.received) == sent, "after a long outage nobody waits"
    assert last.request_id == "req-body"
    assert sent < 40 * 3, "each of 40 calls alone would have sent 8"


def test_calls_go_on_when_the_server_is_back(server, make_client, fake_time):
    server.otherwise = lambda _received: GOOD if fake_time.steady > 30 else FAULTS["503 without a body"]

    async def run():
        async with make_client() as client:
            calls = (client.call(REQUEST, ACCESS_TOKEN, READER.read) for _ in range(10))
            return await fake_time.side_by_side(*calls)

    assert [response.status for response in asyncio.run(run())] == [200] * 10
    assert fake_time.steady < RetryPolicy().seconds


def test_a_refused_connection_names_the_address(make_client, fake_time):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Unreachable) as caught:
            call(make_client(address=address, retry_policy=BRIEF))
    assert address in str(caught.value)
    assert "nothing listens there" in str(caught.value)
    assert sum(fake_time.pauses) < 1.0, "a person waits"


def test_an_address_that_never_responded_is_tried_for_seconds(make_client, fake_time):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            call(make_client(address=f"http://127.0.0.1:{free.getsockname()[1]}"))
    assert 3 < sum(fake_time.pauses) <= RetryPolicy().first_contact_seconds


def test_an_address_that_responded_before_is_tried_for_longer(make_client, fake_time):
    async def run(client, going):
        async with client:
            await client.call(REQUEST, ACCESS_TOKEN, READER.read)
            await asyncio.to_thread(going.close)
            await client.call(REQUEST, ACCESS_TOKEN, READER.read)

    with contextlib.ExitStack() as going:
        server = going.enter_context(ScriptedServer(Reply(body=EXAMPLE_RESPONSE, headers={"Connection": "close"})))
        with pytest.raises(Unreachable):
            asyncio.run(run(make_client(address=server.address), going))
    assert 20 < sum(fake_time.pauses) <= RetryPolicy().seconds


def test_a_name_that_does_not_resolve_is_named(make_client, monkeypatch):
    def resolve(*args, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(Unreachable) as caught:
        call(make_client(address="https://api.mews-demo.example", retry_policy=BRIEF))
    assert "https://api.mews-demo.example cannot be reached: its name does not resolve" in str(caught.value)


def test_an_address_that_speaks_no_tls_is_named(server, make_client):
    address = server.address.replace("http:", "https:")
    with pytest.raises(Unreachable, match="no secure connection"):
        call(make_client(address=address, retry_policy=BRIEF))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "api.mews.com",
        "ftp://api.mews.com",
        "https://",
        "https://user:secret@api.mews.com",
        "http://[::1",
        "https://a?b",
    ],
)
def test_an_address_that_is_none_is_refused(make_client, address):
    with pytest.raises(ValueError, match="platform address") as caught:
        make_client(address=address)
    assert "secret" not in str(caught.value)


def test_a_slash_at_the_end_of_the_address_is_not_sent_twice(server, make_client):
    server.replies.append(GOOD)
    call(make_client(address=f"{server.address}/"))
    assert server.received[0].path == "/api/connector/v1/productServiceOrders/getAll"


def test_operations_are_counted_apart(server, make_client):
    server.replies += [GOOD, Reply(body={"Services": [], "Cursor": None})]

    async def run():
        async with make_client() as client:
            await client.call(REQUEST, ACCESS_TOKEN, READER.read)
            await client.call(GetAll(SERVICES), ACCESS_TOKEN, len)
            return client.tallies

    tallies = asyncio.run(run())
    assert tallies["productServiceOrders/getAll"] == Tally(requests=1, bytes_received=len(EXAMPLE_RESPONSE))
    assert tallies["services/getAll"].requests == 1


def test_one_connection_serves_calls_in_a_row(server, make_client):
    server.replies += [GOOD] * 3

    async def run():
        async with make_client() as client:
            for _ in range(3):
                await client.call(REQUEST, ACCESS_TOKEN, READER.read)

    asyncio.run(run())
    assert len(server.received) == 3
    assert len({received.port for received in server.received}) == 1


@pytest.fixture
def authority(tmp_path):
    """A certificate authority that nobody trusts yet, and the file that makes it trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return authority, tmp_path / "authority.pem"


@pytest.fixture
def secure_server(authority):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("127.0.0.1").configure_cert(tls)
    with ScriptedServer(GOOD, tls) as server:
        yield server


def test_a_certificate_of_an_unknown_authority_is_named(secure_server, make_client, fake_time):
    with pytest.raises(Unreachable, match="its certificate is not trusted: "):
        call(make_client(address=secure_server.address, retry_policy=BRIEF))
    assert secure_server.received == []


def test_an_authority_can_be_trusted_by_the_environment(secure_server, authority, make_client, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
    assert call(make_client(address=secure_server.address)).status == 200


def test_the_proxy_of_the_environment_is_used(server, make_client, monkeypatch):
    server.otherwise = GOOD
    monkeypatch.setenv("HTTP_PROXY", server.address)
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    assert call(make_client(address="http://mews.example")).status == 200
    assert [received.path for received in server.received] == [
        "http://mews.example/api/connector/v1/productServiceOrders/getAll"
    ]


def test_an_address_in_no_proxy_is_reached_directly(server, make_client, monkeypatch):
    server.otherwise = GOOD
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert call(make_client()).status == 200


def test_a_proxy_that_does_not_listen_is_named(make_client, fake_time, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(Unreachable, match=r"http://mews\.example cannot be reached: nothing listens there"):
        call(make_client(address="http://mews.example", retry_policy=BRIEF))


def test_a_cancelled_call_leaves_the_client_usable(server, make_client):
    server.replies += [Reply(ending="silent"), GOOD]

    async def run():
        async with make_client() as client:
            stuck = asyncio.create_task(client.call(REQUEST, ACCESS_TOKEN, READER.read))
            await asyncio.to_thread(server.received_one.wait)
            stuck.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stuck
            assert stuck.cancelled()
            return await client.call(REQUEST, ACCESS_TOKEN, READER.read)

    assert asyncio.run(run()).status == 200


SECRETS = [token.reveal() for token in (CLIENT_TOKEN, ACCESS_TOKEN)]
ECHO = {"Message": f"Invalid token {SECRETS[1]} of {SECRETS[0][:30]}", "RequestId": SECRETS[0], "Details": SECRETS[1]}


ECHOES = [
    Reply(401, ECHO),
    Reply(400, ECHO),
    Reply(429, ECHO),
    Reply(500, ECHO),
    Reply(302, ECHO),
    Reply(body=ECHO),
]


def assert_hidden(texts):
    for secret in SECRETS:
        for text in texts:
            assert secret not in text
            assert secret[:30] not in text


@pytest.mark.parametrize("reply", [GOOD, *FAULTS.values(), *ECHOES])
def test_tokens_are_in_no_log(server, make_client, caplog, reply):
    server.otherwise = reply
    caplog.set_level(logging.DEBUG)
    with contextlib.suppress(MewsError):
        call(make_client(retry_policy=BRIEF))
    assert any(record.levelno == logging.DEBUG for record in caplog.records)
    assert_hidden(record.getMessage() + repr(record.args) for record in caplog.records)


@pytest.mark.parametrize(
    "reply",
    [
        *FAULTS.values(),
        *ECHOES,
        Reply(401, headers={"Request-Id": SECRETS[1]}),
        Reply(302, headers={"Location": f"https://x.example/?t={SECRETS[1]}"}),
    ],
)
def test_tokens_are_in_no_exception(server, make_client, reply):
    server.otherwise = reply
    with pytest.raises(MewsError) as caught:
        call(make_client(retry_policy=BRIEF))
    error = caught.value
    assert error.__cause__ is None
    assert_hidden([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])
    own_frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_globals is not globals()]
    assert_hidden(repr(value) for frame in own_frames for value in frame.f_locals.values())


def test_tokens_are_in_no_repr(server, make_client):
    server.otherwise = GOOD
    client = make_client()
    response = call(client)
    assert_hidden([repr(client), repr(vars(client)), repr(client._limiters), repr(response)])
