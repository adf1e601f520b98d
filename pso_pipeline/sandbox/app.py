"""The HTTP side: one ASGI application that answers for a world as the contract says.

Transport belongs here: paths, headers, statuses, the order of checks, and carrying out the faults of `faults`. What a
body means is read in `contract`; what the answer holds comes from the `world`; sockets and threads are `server`'s.
"""

import asyncio
import contextlib
import ipaddress
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pso_pipeline.sandbox import contract
from pso_pipeline.sandbox.contract import EnterprisesQuery, InvalidRequestError, Operation, OrdersQuery, ServicesQuery
from pso_pipeline.sandbox.faults import (
    Answer,
    Disconnect,
    Fault,
    Faults,
    Garble,
    Hang,
    OtherHeaders,
    ShortPage,
    Slow,
    WithoutDate,
)
from pso_pipeline.sandbox.limits import RateLimit
from pso_pipeline.sandbox.log import ReceivedRequest, RequestLog
from pso_pipeline.sandbox.world import Page, World, page_of_enterprises, page_of_services

_JSON = "application/json; charset=utf-8"
Query = TypeVar("Query", EnterprisesQuery, ServicesQuery, OrdersQuery)

_OPERATIONS = {operation.path: operation for operation in Operation}


class RefusedError(Exception):
    """The request is answered with an error status and the API's error body."""

    def __init__(self, status: int, message: str, details: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


class Application:
    """Answers HTTP requests for one world.

    Attributes:
        hang_up: Closes the connections of a client's address once what was written is sent; set by the server that runs
            the application, since ASGI has no word for it.

    Args:
        world: What is served.
        rate_limit: The limit of each access token; None switches it off.
        faults: What goes wrong, and when.
        log: Where every request to an operation is written down.
        max_body_bytes: Larger request bodies get 413.
        control: Whether `/control/…` answers, to this machine only.
    """

    hang_up: Callable[[tuple[str, int]], None]

    def __init__(
        self,
        world: World,
        *,
        rate_limit: RateLimit | None,
        faults: Faults,
        log: RequestLog,
        max_body_bytes: int = contract.MAX_BODY_BYTES,
        control: bool = False,
    ) -> None:
        self._world = world
        self._rate_limit = rate_limit
        self._faults = faults
        self._log = log
        self._max_body_bytes = max_body_bytes
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the server runs without lifespan and web sockets."""
        request = Request(scope, receive)
        operation = _OPERATIONS.get(request.url.path) if request.method == "POST" else None
        if operation is not None:
            await self._serve(operation, request, send)
        elif self._control and request.url.path.startswith("/control/") and _is_local(request):
            await self._answer_control(request)(scope, receive, send)
        else:
            request_id = _new_request_id()
            response = self._error(request_id, RefusedError(404, "Not found"))
            await response(scope, receive, send)

    async def _serve(self, operation: Operation, request: Request, send: Send) -> None:
        arrived = time.monotonic()
        request_id = _new_request_id()
        body: dict[str, Any] | None = None
        refused: RefusedError | None = None
        try:
            body = _json_object(await self._raw_body(request))
        except RefusedError as error:
            refused = error
        entry = self._log.received(operation, body, arrived, request_id)
        fault = None if body is None else self._faults.take(operation, body)
        if isinstance(fault, Hang):
            await _gone(request)
            return
        if isinstance(fault, Slow):
            await _gone(request, within=fault.seconds)
        if isinstance(fault, Disconnect) and fault.after_bytes is None:
            await self._close(request)
            return
        response = self._response(entry, refused, fault, body, request)
        if isinstance(fault, Disconnect):
            await self._send_part(request, send, response, fault.after_bytes or 0)
            return
        entry.status = response.status_code
        await response(request.scope, request.receive, send)

    def _response(
        self,
        entry: ReceivedRequest,
        refused: RefusedError | None,
        fault: Fault | None,
        body: dict[str, Any] | None,
        request: Request,
    ) -> Response:
        if isinstance(fault, Answer):
            return self._spoiled(entry.request_id, fault)
        try:
            if refused is not None or body is None:
                raise refused or RefusedError(400, "Invalid JSON")
            page = self._page(entry.operation, body, fault.items if isinstance(fault, ShortPage) else None)
        except RefusedError as error:
            return self._error(entry.request_id, error)
        entry.items = page.count
        headers = self._headers(entry.request_id)
        if isinstance(fault, WithoutDate):
            del headers["Date"]
        if isinstance(fault, OtherHeaders):
            headers |= fault.headers
        if page.count == 0 and _prefers_minimal(request):
            return Response(status_code=204, headers=headers)
        cursor = b"null" if page.cursor is None else json.dumps(page.cursor).encode()
        content = b'{"%s":[%s],"Cursor":%s}' % (entry.operation.collection.encode(), page.items, cursor)
        if isinstance(fault, Garble):
            content = fault.change(content)
        return Response(content, headers=headers, media_type=_JSON)

    def _page(self, operation: Operation, body: Mapping[str, Any], most_items: int | None) -> Page:
        world = self._world
        try:
            credentials = contract.read_credentials(body)
            scope = world.scope(credentials.client_token, credentials.access_token)
            if scope is None:
                raise RefusedError(401, "Invalid ClientToken or AccessToken")
            wait = None if self._rate_limit is None else self._rate_limit.take(credentials.access_token)
            if wait is not None:
                raise RefusedError(429, "Too many requests", retry_after=wait)
            now = world.clock.now()
            match operation:
                case Operation.ENTERPRISES:
                    query = _shortened(contract.read_enterprises(body), most_items)
                    return page_of_enterprises(world.enterprises(scope, now), query)
                case Operation.SERVICES:
                    wanted = _shortened(contract.read_services(body), most_items)
                    return page_of_services(world.services(scope, now), wanted, scope)
                case Operation.ORDERS:
                    return world.orders(scope, _shortened(contract.read_orders(body), most_items), now)
        except InvalidRequestError as error:
            raise RefusedError(400, *error.args) from error

    async def _raw_body(self, request: Request) -> bytes:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RefusedError(400, "Invalid Content-Type", "application/json")
        parts: list[bytes] = []
        size = 0
        too_large = False
        async for part in request.stream():
            size += len(part)
            too_large = too_large or size > self._max_body_bytes
            if not too_large:
                parts.append(part)
        if too_large:
            raise RefusedError(413, "Request body too large", f"at most {self._max_body_bytes} bytes")
        return b"".join(parts)

    def _headers(self, request_id: str) -> dict[str, str]:
        return {"Date": formatdate(self._world.clock.now(), usegmt=True), "Request-Id": request_id}

    def _error(self, request_id: str, refused: RefusedError) -> Response:
        content = {"Message": refused.message, "RequestId": request_id, "Details": refused.details}
        headers = self._headers(request_id) | refused.headers
        return Response(json.dumps(content), refused.status, headers=headers, media_type=_JSON)

    def _spoiled(self, request_id: str, answer: Answer) -> Response:
        response = self._error(request_id, RefusedError(answer.status, f"Injected fault {answer.status}"))
        if answer.body is not None or answer.status == 204:
            response = Response(answer.body, answer.status, headers=self._headers(request_id), media_type=_JSON)
        response.headers.update(answer.headers)
        return response

    def _answer_control(self, request: Request) -> Response:
        match request.method, request.url.path:
            case "GET", "/control/requests":
                return Response(json.dumps(self._log.plain()), media_type=_JSON)
            case "DELETE", "/control/requests":
                self._log.clear()
                return Response(status_code=204)
            case "GET", "/control/busiest":
                return Response(json.dumps(self._log.busiest()), media_type=_JSON)
            case _:
                return Response(status_code=404)

    async def _close(self, request: Request) -> None:
        if request.client is not None:
            self.hang_up((request.client.host, request.client.port))
        await _gone(request)

    async def _send_part(self, request: Request, send: Send, response: Response, length: int) -> None:
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": bytes(response.body)[:length], "more_body": True})
        await self._close(request)


def _shortened(query: Query, most_items: int | None) -> Query:
    """The query for a page of no more than `most_items` items."""
    if most_items is None:
        return query
    limitation = replace(query.limitation, count=min(query.limitation.count, most_items))
    return replace(query, limitation=limitation)


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(400, "Invalid JSON") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "Invalid JSON", "not an object")
    return body


async def _gone(request: Request, within: float | None = None) -> None:
    """Wait until the client or the server closes the connection, or the seconds are over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while (await request.receive())["type"] != "http.disconnect":
                pass


def _prefers_minimal(request: Request) -> bool:
    wishes = request.headers.get("prefer", "").split(",")
    return any(wish.strip().lower() == "return=minimal" for wish in wishes)


def _is_local(request: Request) -> bool:
    return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback


def _new_request_id() -> str:
    return str(uuid.uuid4())
