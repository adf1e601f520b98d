"""The API over a world of JSON texts: it sends what it holds as it stands, paged as the contract lets it.

It shares no line with the sandbox. Where a page ends, what a cursor looks like and how a list ends differ by world.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pso_pipeline_tests.hostile.world import Held, Hotel

LISTS = {
    "enterprises/getAll": "Enterprises",
    "services/getAll": "Services",
    "productServiceOrders/getAll": "ProductServiceOrders",
}
PREFIX = "/api/connector/v1/"


@dataclass(frozen=True)
class Paging:
    """How lists are cut: `longest_page` items a page at most, a prefix of cursors, and the cursor of the last page.

    `ending` is what follows the last item: another cursor and then an empty page, a null, an empty text, or nothing.
    """

    longest_page: int = 1000
    prefix: str = ""
    ending: str = "empty page"


@dataclass
class HostileApi:
    """What the server holds; it has no order items and products.

    `spoil` may replace the body of an answer, by operation and ids of services asked for.
    """

    hotels: list[Hotel]
    paging: Paging = Paging()
    refuses_unknown: bool = False
    spoil: Callable[[str, set[str], str], str] = lambda _operation, _services, body: body
    answered_services: set[str] = field(default_factory=set)

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, str]:
        if operation not in LISTS:
            return 404, '{"Message":"No such operation","RequestId":null,"Details":null}'
        services = {each.lower() for each in body.get("ServiceIds") or ()}
        if operation == "productServiceOrders/getAll":
            if self.refuses_unknown and services - self._service_ids():
                return 400, '{"Message":"Invalid ServiceIds","RequestId":null,"Details":null}'
            self.answered_services |= services
            items = [each for each in self._orders() if each.home in services and _within(each, body)]
        elif operation == "services/getAll":
            hotels = {each.lower() for each in body.get("EnterpriseIds") or ()}
            items = [each for hotel in self.hotels for each in hotel.services if not hotels or hotel.id in hotels]
        else:
            items = [hotel.enterprise for hotel in self.hotels]
        return 200, self.spoil(operation, services, self._page(LISTS[operation], items, body["Limitation"]))

    def _page(self, name: str, items: list[Held], limitation: dict[str, Any]) -> str:
        cursor = limitation.get("Cursor")
        first = int(cursor.removeprefix(self.paging.prefix)) if cursor else 0
        page = items[first : first + min(limitation["Count"], self.paging.longest_page)]
        following = first + len(page)
        members = [f'"{name}":[{",".join(each.json for each in page)}]']
        if following < len(items) or (page and self.paging.ending == "empty page"):
            members.append(f'"Cursor":{json.dumps(self.paging.prefix + str(following))}')
        elif self.paging.ending != "no cursor":
            members.append('"Cursor":""' if self.paging.ending == "empty text" else '"Cursor":null')
        return "{" + ",".join(members) + "}"

    def _orders(self) -> list[Held]:
        orders = [order for hotel in self.hotels for order in hotel.orders]
        return sorted(orders, key=lambda each: (each.updated, each.mark), reverse=True)

    def _service_ids(self) -> set[str]:
        """Ids of the services as they are listed, where they can be read."""
        listed = [json.loads(each.json) for hotel in self.hotels for each in hotel.services]
        return {str(each["Id"]).lower() for each in listed if isinstance(each, dict) and "Id" in each}


def _within(order: Held, body: dict[str, Any]) -> bool:
    interval = body.get("UpdatedUtc")
    if not interval:
        return True
    return bool(_moment(interval["StartUtc"]) <= order.updated <= _moment(interval["EndUtc"]))


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)


@contextmanager
def serve(api: HostileApi) -> Iterator[str]:
    """Serve it on loopback; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = api.answer(self.path.removeprefix(PREFIX), request)
            content = answer.encode("utf-8", "surrogatepass")
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
