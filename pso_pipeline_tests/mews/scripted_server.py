"""A server that sends the responses that a test prepared, and remembers the requests.

It knows nothing of the API's rules: a test states each response. It can also truncate a response, or send none.
"""

import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self


@dataclass
class Reply:
    """One response. `ending` says how it ends: whole, truncated, with the connection reset, or never."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    ending: Literal["whole", "cut", "reset", "silent"] = "whole"

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Received:
    """One request; `port` identifies its connection."""

    path: str
    headers: Message
    body: Any
    at: float
    port: int


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # The default backlog of 5 drops the sixth of a burst of connections, which then arrives a second late.
    request_queue_size = 128


class ScriptedServer:
    """Sends `replies` in order, then `otherwise`, which is a reply or makes one from the request.

    With `tls` it accepts secure connections only.
    """

    def __init__(
        self, otherwise: Reply | Callable[[Received], Reply] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.replies: deque[Reply] = deque()
        self.otherwise = otherwise
        self.received: list[Received] = []
        self.unexpected: list[Received] = []
        self.received_one = threading.Event()
        self._release_silent = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if tls else "http"
        if tls:
            # not when it is accepted, but when the handler's thread first reads: a failed handshake is that thread's
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._release_silent.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, received: Received) -> Reply:
        if self.replies:
            return self.replies.popleft()
        if callable(self.otherwise):
            return self.otherwise(received)
        if self.otherwise is None:
            self.unexpected.append(received)
            return Reply(501, {"Message": "the script is over", "RequestId": None})
        return self.otherwise

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                at = time.monotonic()
                content = self.rfile.read(int(self.headers["Content-Length"]))
                received = Received(self.path, self.headers, json.loads(content), at, self.client_address[1])
                script.received.append(received)
                script.received_one.set()
                self._send(script._next(received))

            def _send(self, reply: Reply) -> None:
                if reply.ending == "silent":
                    script._release_silent.wait()
                if reply.ending in {"reset", "silent"}:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    return
                content = reply.content
                headers = {"Content-Length": str(len(content)), "Request-Id": "req-header"} | reply.headers
                self.send_response_only(reply.status)
                for name, value in headers.items():
                    if value:
                        self.send_header(name, value)
                if "Date" not in headers:
                    self.send_header("Date", self.date_time_string())
                self.end_headers()
                if reply.ending == "cut":
                    content = content[: len(content) // 2]
                    self.close_connection = True
                self.wfile.write(content)
                self.wfile.flush()

            def log_message(self, *args: object) -> None:
                pass

        return Handler
