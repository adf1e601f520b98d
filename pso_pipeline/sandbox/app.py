"""The HTTP side: one ASGI application that answers for a world as the contract says.

Transport belongs here: paths, headers, statuses and the order of checks. `contract` reads the query of a body, the
`world` finds the items, `server` owns sockets and threads. Faults are injected by the tests, around this application.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pso_pipeline.sandbox import contract
from pso_pipeline.sandbox.clock import Clock
from pso_pipeline.sandbox.contract import InvalidRequestError, Operation, Query
from pso_pipeline.sandbox.limits import RateLimit

_JSON = "application/json; charset=utf-8"

OPERATIONS = {operation.path: operation for operation in Operation}


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, newest first.

    Attributes:
        items: JSON of the items, comma-separated, without the brackets around them.
        count: How many they are.
        cursor: Id of the oldest of them; None for an empty page.
    """

    items: bytes
    count: int
    cursor: str | None


class World(Protocol):
    """What the application needs of a world."""

    @property
    def clock(self) -> Clock:
        """The server's clock."""

    def scope(self, client_token: str, access_token: str) -> frozenset[str] | None:
        """Ids of the enterprises that the tokens reach; None for wrong tokens."""

    def page(self, operation: Operation, scope: frozenset[str], query: Query, now: int) -> Page:
        """A page of one collection.

        Raises:
            InvalidRequestError: The query names an id that does not exist or lies outside the scope.
        """


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

    Args:
        world: The world to serve.
        rate_limit: The limit of each access token; None switches it off.
        max_body_bytes: Larger request bodies get 413.
    """

    def __init__(
        self, world: World, *, rate_limit: RateLimit | None, max_body_bytes: int = contract.MAX_BODY_BYTES
    ) -> None:
        self._world = world
        self._rate_limit = rate_limit
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the server runs without lifespan and web sockets."""
        request = Request(scope, receive)
        try:
            response = await self._response(request)
        except RefusedError as error:
            response = self.error(error)
        await response(scope, receive, send)

    def error(self, refused: RefusedError) -> Response:
        """The response of a refused request: the API's error body under the usual headers."""
        headers = self._headers() | refused.headers
        content = {"Message": refused.message, "RequestId": headers["Request-Id"], "Details": refused.details}
        return Response(json.dumps(content), refused.status, headers=headers, media_type=_JSON)

    async def _response(self, request: Request) -> Response:
        operation = OPERATIONS.get(request.url.path)
        if operation is None or request.method != "POST":
            raise RefusedError(404, "Not found")
        page = self._page(operation, _json_object(await self._raw_body(request)))
        headers = self._headers()
        if page.count == 0 and _prefers_minimal(request):
            return Response(status_code=204, headers=headers)
        cursor = json.dumps(page.cursor).encode()
        content = b'{"%s":[%s],"Cursor":%s}' % (operation.collection.encode(), page.items, cursor)
        return Response(content, headers=headers, media_type=_JSON)

    def _page(self, operation: Operation, body: Mapping[str, Any]) -> Page:
        world = self._world
        try:
            client_token, access_token = contract.read_tokens(body)
            scope = world.scope(client_token, access_token)
            if scope is None:
                raise RefusedError(401, "Invalid ClientToken or AccessToken")
            wait = None if self._rate_limit is None else self._rate_limit.take(access_token)
            if wait is not None:
                raise RefusedError(429, "Too many requests", retry_after=wait)
            return world.page(operation, scope, contract.read_query(operation, body), world.clock.now())
        except InvalidRequestError as error:
            raise RefusedError(400, *error.args) from error

    async def _raw_body(self, request: Request) -> bytes:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RefusedError(400, "Invalid Content-Type", "application/json")
        raw = bytearray()
        async for part in request.stream():
            raw += part
            if len(raw) > self._max_body_bytes:
                raise RefusedError(413, "Request body too large", f"at most {self._max_body_bytes} bytes")
        return bytes(raw)

    def _headers(self) -> dict[str, str]:
        return {"Date": formatdate(self._world.clock.now(), usegmt=True), "Request-Id": str(uuid.uuid4())}


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(400, "Invalid JSON") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "Invalid JSON", "not an object")
    return body


def _prefers_minimal(request: Request) -> bool:
    wishes = request.headers.get("prefer", "").split(",")
    return any(wish.strip().lower() == "return=minimal" for wish in wishes)
