"""Another implementation of the same API than the sandbox: plain lists, the standard library's server, its own habits.

It speaks HTTP/1.0 without keep-alive, numbers its pages by place in a list ordered by creation, sends no `Request-Id`,
and puts fields nobody has heard of into its records and answers. Its pages may be shorter than asked for.
"""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/api/connector/v1/"


class OtherApi:
    """What it holds, by the name of the list in the answer; `asked` are the bodies of the requests for orders.

    No page holds more than `largest_page` items, whatever Count says.
    """

    def __init__(self, enterprises, services, orders, access_token="access-token", largest_page=1000):
        self.lists = {
            "enterprises/getAll": ("Enterprises", enterprises),
            "services/getAll": ("Services", services),
            "productServiceOrders/getAll": ("ProductServiceOrders", orders),
        }
        self.access_token = access_token
        self.largest_page = largest_page
        self.asked = []

    def answer(self, operation, body):
        name, items = self.lists[operation]
        if body.get("AccessToken") != self.access_token:
            return 401, {"Message": "Invalid AccessToken", "RequestId": None, "Details": None}
        if name == "ProductServiceOrders":
            self.asked.append(body)
            items = [item for item in items if item["ServiceId"] in body["ServiceIds"]]
            if interval := body.get("UpdatedUtc"):
                items = [item for item in items if interval["StartUtc"] <= item["UpdatedUtc"] <= interval["EndUtc"]]
        items = sorted(items, key=lambda item: (item.get("CreatedUtc", ""), item["Id"]), reverse=True)
        cursor = body["Limitation"].get("Cursor")
        first = 1 + next(place for place, item in enumerate(items) if item["Id"] == cursor) if cursor else 0
        page = items[first : first + min(body["Limitation"]["Count"], self.largest_page)]
        return 200, {name: page, "Cursor": page[-1]["Id"] if page else None, "Served": "elsewhere"}


@contextlib.contextmanager
def serve_other_api(api):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = api.answer(self.path.removeprefix(PREFIX), body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.end_headers()
            self.wfile.write(json.dumps(answer, indent=1).encode())

        def log_message(self, *arguments):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
