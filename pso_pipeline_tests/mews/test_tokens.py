import base64
import copy
import hashlib
import json
import pickle
from urllib.parse import quote

import pytest

from pso_pipeline.mews.tokens import Token, hide_secrets, mask

SECRET = "C66EF7B239D24632943D115EDE9CB810-EA00F8FD8294692C940F6B5A8F9453D"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>5}".format, "%s".__mod__, ascii])
def test_a_token_shows_itself_as_stars(show):
    assert show(Token(SECRET)).strip() == "***"


def test_a_token_shows_itself_as_stars_inside_other_objects():
    assert SECRET not in f"{[Token(SECRET)]} { ({'token': Token(SECRET)}) }"


def test_fingerprint_is_the_start_of_the_digest():
    assert Token(SECRET).fingerprint == hashlib.sha256(SECRET.encode()).hexdigest()[:12]


def test_tokens_are_equal_by_value():
    assert Token(SECRET) == Token(SECRET)
    assert len({Token(SECRET), Token(SECRET), Token("other")}) == 2
    other: object = SECRET
    assert Token(SECRET) != other


def test_reveal_gives_the_secret():
    assert Token(SECRET).reveal() == SECRET


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, copy.copy, copy.deepcopy])
def test_a_token_cannot_be_written_or_copied(write):
    with pytest.raises(TypeError) as caught:
        write(Token(SECRET))
    assert SECRET not in str(caught.value)


def test_a_token_does_not_change():
    token = Token(SECRET)
    with pytest.raises(AttributeError):
        setattr(token, "_secret", "x")  # noqa: B010  # mypy refuses a plain assignment
    with pytest.raises(AttributeError):
        del token._secret


def test_a_token_is_not_empty():
    with pytest.raises(ValueError, match="not empty"):
        Token("")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"Invalid AccessToken {SECRET}.", "Invalid AccessToken ***."),
        (f'{{"AccessToken":"{SECRET[:20]}', '{"AccessToken":"***'),
        (f"…{SECRET[30:]} is wrong", "…*** is wrong"),
        (SECRET.lower(), "***"),
        ("Invalid ServiceIds", "Invalid ServiceIds"),
        ("Invalid C66EF7", "Invalid C66EF7"),
    ],
)
def test_mask_hides_tokens_and_pieces_of_them(said, shown):
    assert mask(said, [Token(SECRET)]) == shown


def test_mask_hides_a_short_token():
    assert mask("the token t0k/en= is wrong", [Token("t0k/en=")]) == "the token *** is wrong"


ODD = "pä55/w+rd=?&%0123456789"


@pytest.mark.parametrize("secret", [SECRET, ODD])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize(
    "encode",
    [base64.b64encode, base64.urlsafe_b64encode, bytes.hex, lambda plain: quote(plain, safe="")],
    ids=["base64", "base64url", "hex", "percent"],
)
def test_mask_hides_encoded_tokens(encode, before, secret):
    """At any place in an encoded text, such as the whole body of a request."""
    encoded = encode(f"{before}{secret}, wrong".encode())
    shown = mask(encoded if isinstance(encoded, str) else encoded.decode(), [Token(secret)])
    assert "***" in shown
    for start in range(2, len(secret.encode()) - 12):
        piece = encode(secret.encode()[start : start + 12])
        text = piece if isinstance(piece, str) else piece.decode()
        assert text.strip("=")[2:-2].casefold() not in shown.casefold()


@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase])
def test_mask_hides_a_token_in_any_case(change):
    assert mask(f"<{change(ODD[4:])}>", [Token(ODD[4:])]) == "<***>"


def test_mask_hides_a_piece_of_an_encoded_token():
    encoded = base64.b64encode(SECRET.encode()).decode()
    assert mask(f"…{encoded[5:20]}", [Token(SECRET)]) == "…***"


@pytest.mark.parametrize("broken", [{"MEWS_PLATFORM_ADDRESS": "no address"}, {"MEWS_CLIENT": ""}])
def test_secrets_of_the_environment_are_hidden_whatever_else_is_set(monkeypatch, broken):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", f"{SECRET}, other-token-of-mine")
    monkeypatch.setenv("PSO_ALERT_WEBHOOK", "https://chat.example/hooks/T0/B0/xyz")
    for name, value in broken.items():
        monkeypatch.setenv(name, value)
    said = f"{SECRET.lower()} other-token-of-mine https://chat.example/hooks/T0/B0/xyz in hooks"
    assert hide_secrets(said) == "*** *** *** in hooks"
