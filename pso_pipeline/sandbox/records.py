"""Hotels and services as the API sends them, with every documented field.

Nothing in a client may depend on a field that is left out. `orders` writes the orders, since there are millions.
"""

from typing import Any

import numpy as np

from pso_pipeline.sandbox import times
from pso_pipeline.sandbox.hotels import CHAINS, DAY, Hotel, Service, month_start
from pso_pipeline.sandbox.identifiers import Identifiers, Kind


def enterprise_record(seed: int, identifiers: Identifiers, hotel: Hotel) -> dict[str, Any]:
    """One hotel as an enterprise."""
    draw = np.random.default_rng([seed, 4, hotel.number])
    created, updated, linked = (
        times.text(month_start(year * 12) + int(draw.integers(0, 365 * DAY))) for year in (2015, 2021, 2020)
    )
    city = hotel.city
    address_id = identifiers.text(Kind.ADDRESS, hotel.number)
    return {
        "Id": identifiers.text(Kind.ENTERPRISE, hotel.number),
        "ExternalIdentifier": f"{city.code}-{hotel.number + 1:04d}",
        "HoldingKey": None,
        "ChainId": identifiers.text(Kind.CHAIN, hotel.chain),
        "ChainName": CHAINS[hotel.chain],
        "CreatedUtc": created,
        "UpdatedUtc": updated,
        "LinkedUtc": linked,
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


def service_record(service: Service, service_id: str, enterprise_id: str, changed: int) -> dict[str, Any]:
    """One service since its change at a moment; an offer of a season ends with an inactive version."""
    data: dict[str, Any] = {"Promotions": {"AfterCheckIn": False, "DuringStay": True, "BeforeCheckIn": True}}
    if service.offer is None:
        data = {
            "StartOffset": "P0M0DT14H0M0S",
            "EndOffset": "P0M0DT12H0M0S",
            "OccupancyStartOffset": "P0M0DT14H0M0S",
            "OccupancyEndOffset": "P0M0DT12H0M0S",
            "TimeUnitPeriod": "Day",
        }
    return {
        "Id": service_id,
        "EnterpriseId": enterprise_id,
        "IsActive": changed != service.ended,
        "Name": service.name,
        "Names": {service.hotel.city.language: service.name},
        "ShortNames": {},
        "Descriptions": {},
        "CreatedUtc": times.text(service.created),
        "UpdatedUtc": times.text(changed),
        "ExternalIdentifier": f"{service.hotel.city.code}-{service.hotel.number + 1:04d}-{service.slot}",
        "Ordering": service.slot,
        "Options": {"BillAsPackage": False},
        "Data": {"Discriminator": "Additional" if service.offer else "Bookable", "Value": data},
    }
