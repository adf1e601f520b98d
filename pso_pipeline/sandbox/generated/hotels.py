"""The hotels of a generated world: where they are, what they are called, how they differ.

Names, cities and chains are data kept here; services are in `offers`. All that is drawn depends on the seed and the
hotel's number alone, so a world of five hotels is the beginning of a world of thousands.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class City:
    """A place with hotels.

    Attributes:
        code: Three letters, used in external identifiers.
        speech: Which of the name lists its hotels draw from.
        language: Default language code.
        seasonal: How far the busiest month lies above the average (0.3 is 30 %).
        busiest_month: 1 to 12.
    """

    name: str
    code: str
    country: str
    zone: str
    speech: str
    language: str
    currency: str
    latitude: float
    longitude: float
    seasonal: float
    busiest_month: int


@dataclass(frozen=True, slots=True)
class Hotel:
    """One hotel.

    Attributes:
        number: Its place in the world, from 0.
        is_resort: Guests come for the weekend and the season, not for the working week.
        size: Share of the world's orders relative to an average hotel.
        growth: Yearly growth of that share, as a logarithm.
        cancellation: Factor on the chance that an order is canceled.
        kiosk: Share of check-ins that go through the API (kiosk or app).
        channel: Factor on the share of orders that come through the channel manager.
        has_season_offer: Sells an offer of its own each summer.
    """

    number: int
    name: str
    city: City
    chain: int
    is_resort: bool
    size: float
    growth: float
    cancellation: float
    kiosk: float
    channel: float
    has_season_offer: bool


CHAINS = (
    "Meridian & Oak",
    "Bohemia Grand Hotels",
    "Lumière Collection",
    "Harbour Stays",
    "Nordlys Hotels",
    "Casa Alegría",
    "Stadtpark Hotels",
    "Pacific Crest Resorts",
    "Albergo Diffuso Italia",
    "Kirin Hospitality",
    "Independent Stay",
    "Öresund Rooms",
)

CITIES = (
    City("Praha", "PRG", "CZ", "Europe/Prague", "cs", "cs-CZ", "CZK", 50.0755, 14.4378, 0.25, 7),
    City("London", "LON", "GB", "Europe/London", "en", "en-GB", "GBP", 51.5074, -0.1278, 0.15, 7),
    City("New York", "NYC", "US", "America/New_York", "en", "en-US", "USD", 40.7128, -74.0060, 0.15, 10),
    City("Sydney", "SYD", "AU", "Australia/Sydney", "en", "en-AU", "AUD", -33.8688, 151.2093, 0.25, 1),
    City("Honolulu", "HNL", "US", "Pacific/Honolulu", "en", "en-US", "USD", 21.3069, -157.8583, 0.3, 1),
    City("Paris", "PAR", "FR", "Europe/Paris", "fr", "fr-FR", "EUR", 48.8566, 2.3522, 0.2, 6),
    City("Berlin", "BER", "DE", "Europe/Berlin", "de", "de-DE", "EUR", 52.5200, 13.4050, 0.2, 8),
    City("München", "MUC", "DE", "Europe/Berlin", "de", "de-DE", "EUR", 48.1351, 11.5820, 0.25, 9),
    City("Wien", "VIE", "AT", "Europe/Vienna", "de", "de-AT", "EUR", 48.2082, 16.3738, 0.25, 12),
    City("Zürich", "ZRH", "CH", "Europe/Zurich", "de", "de-CH", "CHF", 47.3769, 8.5417, 0.2, 7),
    City("Roma", "ROM", "IT", "Europe/Rome", "it", "it-IT", "EUR", 41.9028, 12.4964, 0.25, 6),
    City("Milano", "MIL", "IT", "Europe/Rome", "it", "it-IT", "EUR", 45.4642, 9.1900, 0.15, 9),
    City("Barcelona", "BCN", "ES", "Europe/Madrid", "es", "es-ES", "EUR", 41.3874, 2.1686, 0.3, 8),
    City("Madrid", "MAD", "ES", "Europe/Madrid", "es", "es-ES", "EUR", 40.4168, -3.7038, 0.15, 5),
    City("Las Palmas", "LPA", "ES", "Atlantic/Canary", "es", "es-ES", "EUR", 28.1235, -15.4363, 0.3, 2),
    City("Lisboa", "LIS", "PT", "Europe/Lisbon", "pt", "pt-PT", "EUR", 38.7223, -9.1393, 0.3, 8),
    City("São Paulo", "SAO", "BR", "America/Sao_Paulo", "pt", "pt-BR", "BRL", -23.5505, -46.6333, 0.1, 11),
    City("Amsterdam", "AMS", "NL", "Europe/Amsterdam", "nl", "nl-NL", "EUR", 52.3676, 4.9041, 0.25, 5),
    City("Antwerpen", "ANR", "BE", "Europe/Brussels", "nl", "nl-BE", "EUR", 51.2194, 4.4025, 0.15, 7),
    City("Stockholm", "STO", "SE", "Europe/Stockholm", "sv", "sv-SE", "SEK", 59.3293, 18.0686, 0.3, 7),
    City("Malmö", "MMA", "SE", "Europe/Stockholm", "sv", "sv-SE", "SEK", 55.6050, 13.0038, 0.25, 7),
    City("Warszawa", "WAW", "PL", "Europe/Warsaw", "pl", "pl-PL", "PLN", 52.2297, 21.0122, 0.2, 6),
    City("Kraków", "KRK", "PL", "Europe/Warsaw", "pl", "pl-PL", "PLN", 50.0647, 19.9450, 0.3, 7),
    City("Brno", "BRQ", "CZ", "Europe/Prague", "cs", "cs-CZ", "CZK", 49.1951, 16.6068, 0.15, 6),
    City("Dublin", "DUB", "IE", "Europe/Dublin", "en", "en-IE", "EUR", 53.3498, -6.2603, 0.2, 7),
    City("Edinburgh", "EDI", "GB", "Europe/London", "en", "en-GB", "GBP", 55.9533, -3.1883, 0.4, 8),
    City("Manchester", "MAN", "GB", "Europe/London", "en", "en-GB", "GBP", 53.4808, -2.2426, 0.1, 6),
    City("Helsinki", "HEL", "FI", "Europe/Helsinki", "en", "fi-FI", "EUR", 60.1699, 24.9384, 0.3, 7),
    City("Reykjavík", "REK", "IS", "Atlantic/Reykjavik", "en", "is-IS", "ISK", 64.1466, -21.9426, 0.35, 7),
    City("Athína", "ATH", "GR", "Europe/Athens", "en", "el-GR", "EUR", 37.9838, 23.7275, 0.35, 8),
    City("Dubai", "DXB", "AE", "Asia/Dubai", "en", "en-US", "AED", 25.2048, 55.2708, 0.3, 12),
    City("Singapore", "SIN", "SG", "Asia/Singapore", "en", "en-SG", "SGD", 1.3521, 103.8198, 0.1, 7),
    City("Mumbai", "BOM", "IN", "Asia/Kolkata", "en", "en-IN", "INR", 19.0760, 72.8777, 0.2, 12),
    City("Kathmandu", "KTM", "NP", "Asia/Kathmandu", "en", "en-US", "NPR", 27.7172, 85.3240, 0.4, 10),
    City("東京", "TYO", "JP", "Asia/Tokyo", "ja", "ja-JP", "JPY", 35.6762, 139.6503, 0.2, 4),
    City("京都", "UKY", "JP", "Asia/Tokyo", "ja", "ja-JP", "JPY", 35.0116, 135.7681, 0.35, 11),
    City("Auckland", "AKL", "NZ", "Pacific/Auckland", "en", "en-NZ", "NZD", -36.8509, 174.7645, 0.3, 1),
    City("Brisbane", "BNE", "AU", "Australia/Brisbane", "en", "en-AU", "AUD", -27.4698, 153.0251, 0.2, 12),
    City("Adelaide", "ADL", "AU", "Australia/Adelaide", "en", "en-AU", "AUD", -34.9285, 138.6007, 0.2, 3),
    City("Los Angeles", "LAX", "US", "America/Los_Angeles", "en", "en-US", "USD", 34.0522, -118.2437, 0.2, 7),
    City("Chicago", "CHI", "US", "America/Chicago", "en", "en-US", "USD", 41.8781, -87.6298, 0.25, 8),
    City("Denver", "DEN", "US", "America/Denver", "en", "en-US", "USD", 39.7392, -104.9903, 0.25, 2),
    City("St. John's", "YYT", "CA", "America/St_Johns", "en", "en-CA", "CAD", 47.5615, -52.7126, 0.35, 7),
    City("Cape Town", "CPT", "ZA", "Africa/Johannesburg", "en", "en-ZA", "ZAR", -33.9249, 18.4241, 0.35, 1),
    City("Ciudad de México", "MEX", "MX", "America/Mexico_City", "es", "es-MX", "MXN", 19.4326, -99.1332, 0.15, 11),
    City(
        "Buenos Aires", "BUE", "AR", "America/Argentina/Buenos_Aires", "es", "es-AR", "ARS", -34.6037, -58.3816, 0.2, 1
    ),
)

# Name, chain, resort, size, cancellation, kiosk, channel: chosen so that a demo's five hotels tell five stories.
_FIRST = (
    ("Hotel Zlatá Hvězda", 1, False, 1.3, 1.0, 0.25, 1.0),
    ("The Albion Court", 0, False, 1.5, 1.2, 0.45, 1.1),
    ("Hudson & Pine", 0, False, 1.0, 1.35, 0.35, 1.3),
    ("Harbour Light Hotel", 3, False, 0.75, 0.85, 0.15, 0.8),
    ("Hale Kōnane Resort", 7, True, 0.45, 0.65, 0.05, 0.6),
)

# Patterns, first words, second words.
_NAMES = {
    "en": (
        ("The {} {}", "{} {} Hotel", "{} {} House", "Hotel {} {}", "{} {} Inn", "{} {} Suites"),
        (
            "Golden",
            "Royal",
            "Old",
            "Grand",
            "White",
            "Silver",
            "Green",
            "Red",
            "Quiet",
            "Copper",
            "Blue",
            "Northern",
            "Little",
            "Ivory",
            "Hidden",
            "Amber",
        ),
        (
            "Lion",
            "Swan",
            "Harbour",
            "Anchor",
            "Garden",
            "Lantern",
            "Bridge",
            "Crown",
            "Orchard",
            "Compass",
            "Willow",
            "Heron",
            "Mill",
            "Terrace",
            "Fox",
            "Elm",
            "Lighthouse",
            "Meadow",
            "Quay",
            "Station",
        ),
    ),
    "cs": (
        ("Hotel {} {}", "Penzion {} {}", "Rezidence {} {}"),
        ("Zlatý", "Bílý", "Starý", "Modrý", "Černý", "Stříbrný", "Zelený", "Královský", "Červený", "Tichý"),
        ("Lev", "Jelen", "Anděl", "Kohout", "Páv", "Most", "Mlýn", "Dvůr", "Pramen", "Dub", "Klíč", "Hrad"),
    ),
    "de": (
        ("Hotel {} {}", "Gasthof {} {}", "{} {} Hotel"),
        ("Goldener", "Alter", "Weißer", "Schwarzer", "Grüner", "Roter", "Silberner", "Großer", "Blauer", "Stiller"),
        ("Hirsch", "Adler", "Löwe", "Bär", "Schwan", "Anker", "Hof", "Stern", "Falke", "Brunnen", "Turm", "Garten"),
    ),
    "fr": (
        ("Hôtel du {1} {0}", "Le {1} {0}", "Résidence du {1} {0}"),
        ("Royal", "Blanc", "Doré", "Vert", "Bleu", "Étoilé", "Argenté", "Secret", "Normand", "Rouge"),
        ("Lion", "Cygne", "Château", "Parc", "Pont", "Jardin", "Cèdre", "Phare", "Palais", "Moulin", "Quai", "Cerf"),
    ),
    "it": (
        ("Hotel {1} {0}", "Albergo {1} {0}", "Locanda {1} {0}"),
        ("Bianco", "Dorato", "Antico", "Reale", "Verde", "Azzurro", "Rosso", "Argentato", "Nuovo", "Sereno"),
        ("Leone", "Cigno", "Giardino", "Ponte", "Castello", "Cervo", "Porto", "Ulivo", "Pavone", "Mulino", "Colle"),
    ),
    "es": (
        ("Hotel {1} {0}", "Hostal {1} {0}", "Parador {1} {0}"),
        ("Dorado", "Blanco", "Antiguo", "Real", "Verde", "Azul", "Rojo", "Plateado", "Sereno", "Pequeño"),
        ("León", "Cisne", "Jardín", "Puente", "Castillo", "Ciervo", "Puerto", "Olivo", "Pavo", "Molino", "Balcón"),
    ),
    "pt": (
        ("Quinta {1} {0}", "Pousada {1} {0}", "Solar {1} {0}"),
        ("Dourado", "Branco", "Antigo", "Real", "Verde", "Azul", "Vermelho", "Prateado", "Sereno", "Pequeno"),
        ("Leão", "Cisne", "Jardim", "Castelo", "Veado", "Porto", "Pavão", "Moinho", "Palácio", "Coração", "Chafariz"),
    ),
    "nl": (
        ("Hotel De {} {}", "Herberg De {} {}", "De {} {}"),
        ("Gouden", "Witte", "Oude", "Koninklijke", "Groene", "Blauwe", "Rode", "Zilveren", "Stille", "Kleine"),
        ("Leeuw", "Zwaan", "Brug", "Haven", "Toren", "Molen", "Pauw", "Tuin", "Sleutel", "Reiger", "Eik", "Gracht"),
    ),
    "sv": (
        ("Hotell {} {}", "{} {} Hotell", "Gästgiveri {} {}"),
        ("Gyllene", "Vita", "Gamla", "Kungliga", "Gröna", "Blå", "Röda", "Tysta", "Lilla", "Stora"),
        ("Lejonet", "Svanen", "Bron", "Hamnen", "Tornet", "Kvarnen", "Påfågeln", "Trädgården", "Nyckeln", "Älgen"),
    ),
    "pl": (
        ("Hotel {} {}", "Pensjonat {} {}", "Dworek {} {}"),
        ("Złoty", "Biały", "Stary", "Królewski", "Zielony", "Błękitny", "Czerwony", "Srebrny", "Cichy", "Mały"),
        ("Lew", "Łabędź", "Most", "Młyn", "Paw", "Dwór", "Ogród", "Zamek", "Klucz", "Dąb", "Jeleń", "Żuraw"),
    ),
    "ja": (
        ("{}{}館", "{}{}ホテル", "{}{}旅館", "{}{}荘"),
        ("白", "青", "金", "銀", "新", "古", "若", "東", "西", "花"),
        ("桜", "月", "松", "梅", "鶴", "富士", "海", "川", "山", "竹", "波", "雪"),
    ),
}


def hotels(seed: int, count: int) -> list[Hotel]:
    """The first so many hotels of a world."""
    return [_hotel(seed, number) for number in range(count)]


def _hotel(seed: int, number: int) -> Hotel:
    city = CITIES[number % len(CITIES)]
    draw = np.random.default_rng([seed, 2, number])
    growth = float(draw.normal(0.05, 0.12))
    has_season_offer = number % 4 == 0
    if number < len(_FIRST):
        name, chain, is_resort, size, cancellation, kiosk, channel = _FIRST[number]
        return Hotel(number, name, city, chain, is_resort, size, growth, cancellation, kiosk, channel, has_season_offer)
    return Hotel(
        number=number,
        name=_name(number, city),
        city=city,
        chain=int(draw.integers(len(CHAINS))),
        is_resort=bool(draw.random() < 0.3),
        size=float(draw.lognormal(0, 0.5)),
        growth=growth,
        cancellation=float(draw.uniform(0.6, 1.4)),
        kiosk=float(draw.beta(1.5, 6)),
        channel=float(draw.uniform(0.5, 1.4)),
        has_season_offer=has_season_offer,
    )


def _name(number: int, city: City) -> str:
    """A name that no other hotel of the world has, whatever their number.

    Cities of one language take turns through the language's names; once all are used, the city's name is added.
    """
    speakers = [each for each in CITIES if each.speech == city.speech]
    turn = number // len(CITIES) * len(speakers) + speakers.index(city)
    patterns, firsts, seconds = _NAMES[city.speech]
    total = len(patterns) * len(firsts) * len(seconds)
    cycle, place = divmod(turn, total)
    # The golden section, moved until it shares no factor with the total: every name comes once, neighbours differ.
    step = next(step for step in range(round(total * 0.618), total) if math.gcd(step, total) == 1)
    place = place * step % total
    place, pattern = divmod(place, len(patterns))
    second, first = divmod(place, len(firsts))
    name = patterns[pattern].format(firsts[first], seconds[second])
    if cycle == 0:
        return name
    return f"{name} {city.name}" if cycle == 1 else f"{name} {city.name} {cycle}"
