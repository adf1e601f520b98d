"""Which hotel a person means by a key, a prefix, an id or a name, and what is suggested otherwise."""

import pytest

from pso_pipeline.cli.hotels import UnknownHotel, find_key
from pso_pipeline.warehouse.reading import EnterpriseRow

HOTELS = [
    EnterpriseRow("3FA85F64-0000", "grand-hotel-prague-3fa85f64", "Grand Hotel Prague", None, True),
    EnterpriseRow("4FA85F64-0000", "grand-hotel-vienna-4fa85f64", "Grand Hotel Vienna", None, True),
    EnterpriseRow("5FA85F64-0000", "spa-5fa85f64", None, None, True),
    EnterpriseRow("6FA85F64-0000", "twin-6fa85f64", "Twin", None, True),
    EnterpriseRow("7FA85F64-0000", "twin-7fa85f64", "Twin", None, True),
]


@pytest.mark.parametrize(
    "text", ["grand-hotel-prague-3fa85f64", "grand-hotel-p", "3fa85f64-0000", "3FA85F64-0000", "grand hotel PRAGUE "]
)
def test_a_key_a_prefix_an_id_and_a_name_are_understood(text):
    assert find_key(text, HOTELS) == "grand-hotel-prague-3fa85f64"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grand-hotel", "is not unique: it can be grand-hotel-prague-3fa85f64, grand-hotel-vienna-4fa85f64"),
        ("Twin", "is not unique: it can be twin-6fa85f64, twin-7fa85f64"),
        ("grand-hotel-pragu-3fa85f64", "did you mean grand-hotel-prague-3fa85f64"),
        ("Grand Hotel Wien", "did you mean grand-hotel-vienna-4fa85f64"),
        ("atlantis-00000000", "no such enterprise: atlantis-00000000; `pso status` lists the keys"),
        ("", "no such enterprise: "),
    ],
)
def test_what_is_not_one_hotel_is_refused_with_what_it_could_be(text, said):
    with pytest.raises(UnknownHotel) as raised:
        find_key(text, HOTELS)
    assert said in str(raised.value)
