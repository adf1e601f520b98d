"""A webhook on this machine that keeps the messages posted to it."""

import http.server
import json


class Webhook:
    """Takes messages over HTTP on this machine; answers with the statuses queued in `answers`, else 200."""

    def __init__(self):
        self.messages: list[dict[str, str]] = []
        self.answers: list[int] = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = webhook.answers.pop(0) if webhook.answers else 200
                if status == 200:
                    webhook.messages.append(body)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/services/secret-part"
