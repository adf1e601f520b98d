"""A tap of the Meltano Singer SDK (sdk.meltano.com, "Dev guide"); `target-duckdb` reads what it prints."""

import json
import os
from pathlib import Path
from typing import Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th

TEXT = [
    "ServiceId",
    "AccountId",
    "AccountType",
    "CreatorProfileId",
    "UpdaterProfileId",
    "BookerId",
    "Number",
    "State",
    "Origin",
    "CommanderOrigin",
    "OriginDetails",
    "VoucherId",
    "BusinessSegmentId",
    "LinkedReservationId",
]
FLAGS = ["OwnerCheckedIn", "AllCompanionsCheckedIn", "AnyCompanionCheckedIn", "ConnectorCheckIn"]


class ProductServiceOrders(RESTStream[str]):
    """The one operation that is measured."""

    name = "product_service_orders"
    path = "/api/connector/v1/productServiceOrders/getAll"
    primary_keys = ("Id",)
    http_method = "POST"
    payload_as_json = True
    records_jsonpath = "$.ProductServiceOrders[*]"
    next_page_token_jsonpath = "$.Cursor"  # noqa: S105  # the JSONPath of the page's cursor; the rule goes by "token" in its name
    schema = th.PropertiesList(
        th.Property("Id", th.StringType, required=True),
        *(th.Property(name, th.StringType) for name in TEXT),
        *(th.Property(name, th.DateTimeType) for name in ("CreatedUtc", "UpdatedUtc", "CancelledUtc")),
        th.Property("Options", th.ObjectType(*(th.Property(name, th.BooleanType) for name in FLAGS))),
    ).to_dict()

    @property
    def url_base(self) -> str:
        """Address of the API."""
        return os.environ["MEWS_PLATFORM_ADDRESS"]

    def prepare_request_payload(self, context: Any, next_page_token: str | None) -> dict[str, Any]:
        """Write the body of a request."""
        del context
        return {
            "ClientToken": os.environ["MEWS_CLIENT_TOKEN"],
            "AccessToken": os.environ["MEWS_ACCESS_TOKENS"],
            "Client": "singer",
            "ServiceIds": json.loads(Path(os.environ["BENCH_SERVICES"]).read_text(encoding="utf-8")),
            "Limitation": {"Count": 1000, "Cursor": next_page_token},
        }


class TapMews(Tap):
    """A tap with one stream."""

    name = "tap-mews"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self) -> list[ProductServiceOrders]:
        """List the streams."""
        return [ProductServiceOrders(self)]


if __name__ == "__main__":
    TapMews.cli()
