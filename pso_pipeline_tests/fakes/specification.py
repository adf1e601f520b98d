"""The specification's own example, as a world that answers it exactly.

The request, the response and the public demo tokens are those printed in the documentation of
productServiceOrders/getAll; the rest of the world is made up so that the printed request returns the printed response.
"""

from typing import Any

from pso_pipeline.sandbox.clock import Clock
from pso_pipeline_tests.fakes.scripted import ScriptedWorld

EXAMPLE_REQUEST: dict[str, Any] = {
    "ClientToken": "E0D439EE522F44368DC78E1BFB03710C-D24FB11DBE31D4621C4817E028D9E1D",
    "AccessToken": "C66EF7B239D24632943D115EDE9CB810-EA00F8FD8294692C940F6B5A8F9453D",
    "Client": "Sample Client 1.0.0",
    "ProductServiceOrderIds": ["9e6d4492-315b-4089-b9d6-5b1bd2eddc1b"],
    "ServiceIds": ["ae8da28c-e8a4-4141-9df0-8c998976c691", "6b02d015-47ac-4c41-8e9f-5b4db61d4284"],
    "LinkedReservationIds": ["0f515589-99b4-423d-b83a-b237009f0509", "b7a3f5cb-1e69-4a5f-a069-10f461996d7f"],
    "UpdatedUtc": {"StartUtc": "2023-04-01T00:00:00Z", "EndUtc": "2023-05-05T00:00:00Z"},
    "States": ["Confirmed", "Started"],
    "Limitation": {"Count": 10, "Cursor": "819e3435-7d5e-441f-bc68-76d89c69b8f5"},
}

EXAMPLE_RESPONSE: dict[str, Any] = {
    "ProductServiceOrders": [
        {
            "Id": "9e6d4492-315b-4089-b9d6-5b1bd2eddc1b",
            "ServiceId": "ae8da28c-e8a4-4141-9df0-8c998976c691",
            "AccountId": "fadd5bb6-b428-45d5-94f8-fd0d89fece6d",
            "AccountType": "Customer",
            "CreatorProfileId": "3cd637ef-4728-47f9-8fb1-afb900c9cdcf",
            "UpdaterProfileId": "122fc063-ec6e-4198-b8db-6b168a59ffae",
            "BookerId": "bccdafd1-3e44-439d-861f-341526b597a9",
            "Number": "52",
            "State": "Confirmed",
            "Origin": "Connector",
            "CommanderOrigin": None,
            "OriginDetails": None,
            "CreatedUtc": "2023-04-23T14:58:02Z",
            "UpdatedUtc": "2023-04-23T14:58:02Z",
            "CancelledUtc": None,
            "VoucherId": None,
            "BusinessSegmentId": None,
            "LinkedReservationId": "0f515589-99b4-423d-b83a-b237009f0509",
            "Options": {
                "OwnerCheckedIn": True,
                "AllCompanionsCheckedIn": True,
                "AnyCompanionCheckedIn": True,
                "ConnectorCheckIn": True,
            },
        }
    ],
    "Cursor": "9e6d4492-315b-4089-b9d6-5b1bd2eddc1b",
}


def specification_world(clock: Clock | None = None) -> ScriptedWorld:
    """One enterprise with the example's services and order, and one newer order under the example's cursor."""
    world = ScriptedWorld(clock=clock)
    world.client_token, world.access_token = EXAMPLE_REQUEST["ClientToken"], EXAMPLE_REQUEST["AccessToken"]
    world.grant(world.access_token)
    enterprise = world.add_enterprise(Name="Sample Enterprise")
    breakfast, parking = EXAMPLE_REQUEST["ServiceIds"]
    world.add_service(enterprise, Id=breakfast, Name="Breakfast")
    world.add_service(enterprise, Id=parking, Name="Parking")
    order = dict(EXAMPLE_RESPONSE["ProductServiceOrders"][0])
    world.add_order(order.pop("ServiceId"), **order)
    world.add_order(
        parking,
        Id=EXAMPLE_REQUEST["Limitation"]["Cursor"],
        State="Started",
        CreatedUtc="2023-04-20T09:12:45Z",
        UpdatedUtc="2023-04-25T08:30:00Z",
        LinkedReservationId=EXAMPLE_REQUEST["LinkedReservationIds"][1],
    )
    return world
