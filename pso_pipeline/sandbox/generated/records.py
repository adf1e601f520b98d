"""Enterprises and services of a generated world as the API sends them.

Every documented field stands here, for nothing in a client may depend on a field being left out. Orders are written in
`rendering`, since there are millions of them.
"""

from typing import Any

import numpy as np

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.generated.hotels import CHAINS, Hotel
from pso_pipeline.sandbox.generated.identifiers import Identifiers, Kind
from pso_pipeline.sandbox.generated.offers import Service, month_start
from pso_pipeline.sandbox.world import Held


def held_enterprise(seed: int, identifiers: Identifiers, hotel: Hotel, enterprise_id: str) -> Held:
    """One hotel as an enterprise."""
    draw = np.random.default_rng([seed, 4, hotel.number])
    created = month_start(2015 * 12) + int(draw.integers(0, 365 * 86400))
    updated = month_start(2021 * 12) + int(draw.integers(0, 365 * 86400))
    linked = month_start(2020 * 12) + int(draw.integers(0, 365 * 86400))
    city = hotel.city
    address_id = identifiers.text(Kind.ADDRESS, hotel.number)
    record: dict[str, Any] = {
        "Id": enterprise_id,
        "ExternalIdentifier": f"{city.code}-{hotel.number + 1:04d}",
        "HoldingKey": None,
        "ChainId": identifiers.text(Kind.CHAIN, hotel.chain),
        "ChainName": CHAINS[hotel.chain],
        "CreatedUtc": times.text(created),
        "UpdatedUtc": times.text(updated),
        "LinkedUtc": times.text(linked),
        "Name": hotel.name,
        "TimeZoneIdentifier": city.zone,
        "LegalEnvironmentCode": city.country,
        "AccommodationEnvironmentCode": city.country,
        "AccountingEnvironmentCode": city.country,
        "TaxEnvironmentCode": city.country,
        "DefaultLanguageCode": city.language,
        "AccountingEditableHistoryInterval": "P0M7DT0H0M0S",
        "OperationalEditableHistoryInterval": "P0M7DT0H0M0S",
        "BusinessDayClosesUtc": None,
        "WebsiteUrl": f"https://hotel-{hotel.number + 1}.example",
        "Email": f"reception@hotel-{hotel.number + 1}.example",
        "Phone": None,
        "LogoImageId": None,
        "CoverImageId": None,
        "Pricing": "Gross",
        "TaxPrecision": None,
        "AddressId": address_id,
        "Address": {
            "Id": address_id,
            "Line1": f"{int(draw.integers(1, 200))} {city.name}",
            "Line2": None,
            "City": city.name,
            "PostalCode": f"{int(draw.integers(10_000, 99_999))}",
            "CountryCode": city.country,
            "CountrySubdivisionCode": None,
            "Latitude": round(city.latitude + float(draw.normal(0, 0.02)), 6),
            "Longitude": round(city.longitude + float(draw.normal(0, 0.02)), 6),
        },
        "GroupNames": [],
        "Subscription": {"TaxIdentifier": None},
        "Currencies": [{"Currency": city.currency, "IsDefault": True, "IsEnabled": True}],
        "AccountingConfiguration": None,
        "IsPortfolio": False,
    }
    return Held(record, enterprise_id, enterprise_id, created, updated)


def held_service(service: Service, service_id: str, enterprise_id: str, now: int) -> Held:
    """One service as it stands at a moment: a season offer is inactive once its season is over."""
    is_over = service.ended is not None and service.ended <= now
    updated = service.ended if is_over and service.ended is not None else service.updated
    record: dict[str, Any] = {
        "Id": service_id,
        "EnterpriseId": enterprise_id,
        "IsActive": not is_over,
        "Name": service.name,
        "Names": {service.hotel.city.language: service.name},
        "ShortNames": {},
        "Descriptions": {},
        "CreatedUtc": times.text(service.created),
        "UpdatedUtc": times.text(updated),
        "ExternalIdentifier": f"{service.hotel.city.code}-{service.hotel.number + 1:04d}-{service.slot}",
        "Ordering": service.slot,
        "Options": {"BillAsPackage": False},
        "Data": {
            "Discriminator": "Bookable" if service.offer is None else "Additional",
            "Value": _data(service),
        },
    }
    return Held(record, service_id, enterprise_id, service.created, updated)


def _data(service: Service) -> dict[str, Any]:
    if service.offer is not None:
        return {"Promotions": {"AfterCheckIn": False, "DuringStay": True, "BeforeCheckIn": True}}
    return {
        "StartOffset": "P0M0DT14H0M0S",
        "EndOffset": "P0M0DT12H0M0S",
        "OccupancyStartOffset": "P0M0DT14H0M0S",
        "OccupancyEndOffset": "P0M0DT12H0M0S",
        "TimeUnitPeriod": "Day",
    }
