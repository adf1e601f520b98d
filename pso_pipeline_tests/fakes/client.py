"""Speaking to a sandbox over real HTTP, without any code of the client under `pso_pipeline.mews`."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from pso_pipeline_tests.fakes.server import Sandbox

COLLECTIONS = {
    "enterprises/getAll": "Enterprises",
    "services/getAll": "Services",
    "productServiceOrders/getAll": "ProductServiceOrders",
}


@dataclass
class Api:
    """One client application with one access token."""

    sandbox: Sandbox[Any]
    access_token: str
    http: httpx.Client = field(default_factory=httpx.Client)

    def url(self, operation):
        return f"{self.sandbox.address}/api/connector/v1/{operation}"

    def body(self, **parameters):
        tokens = {"ClientToken": self.sandbox.world.client_token, "AccessToken": self.access_token}
        return tokens | {"Client": "Tests 1.0", "Limitation": {"Count": 1000}} | parameters

    def post(self, operation, headers=None, **parameters):
        return self.http.post(self.url(operation), json=self.body(**parameters), headers=headers)

    def pages(self, operation, count=1000, **parameters):
        """Every page of an operation, each a list of items."""
        cursor = None
        while True:
            answer = self.post(operation, Limitation={"Count": count, "Cursor": cursor}, **parameters)
            assert answer.status_code == 200, answer.text
            items, cursor = answer.json()[COLLECTIONS[operation]], answer.json()["Cursor"]
            assert (cursor is None) == (not items)
            yield items
            if len(items) < count:
                return

    def walk(self, operation, count=1000, **parameters):
        return [item for page in self.pages(operation, count, **parameters) for item in page]
