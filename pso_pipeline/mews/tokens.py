"""Secrets of the API, and what keeps them out of everything that is written down.

Add here what hides a token. Where tokens come from is the business of the settings.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NoReturn, Self
from urllib.parse import quote

from pso_pipeline.settings import Secrets

_HIDDEN = "***"
_WORD = re.compile(r"[\w-]+")
_TELLING_LENGTH = 8
"""From this many characters on, a piece of a token is masked too: servers echo requests cut off in the middle."""


class Token:
    """A client token or an access token of the API, which shows itself as `***` everywhere.

    Two tokens are equal when their secrets are. A token cannot be pickled, so that it does not slip into a file or a
    message to another process.
    """

    __slots__ = ("_fingerprint", "_secret")

    _secret: str
    _fingerprint: str

    def __init__(self, secret: str) -> None:
        if not secret:
            raise ValueError("a token is not empty")
        object.__setattr__(self, "_secret", secret)
        object.__setattr__(self, "_fingerprint", hashlib.sha256(secret.encode()).hexdigest()[:12])

    def reveal(self) -> str:
        """The secret itself, for the body of a request and nothing else."""
        return self._secret

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the secret's SHA-256, safe to store and to show."""
        return self._fingerprint

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash((Token, self._secret))

    def __repr__(self) -> str:
        return _HIDDEN

    def __format__(self, format_spec: str) -> str:
        return format(_HIDDEN, format_spec)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a token does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a token does not change")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled")


class SecretBytes(bytes):
    """The body of a request, or of an answer that may repeat it: it shows itself as `***` in the frames of others.

    A traceback with local variables, as error trackers send them, shows what each frame holds.
    """

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__


def mask(text: str, tokens: Iterable[Token]) -> str:
    """A text from outside with every token in it, and every telling piece of one, replaced by `***`.

    In any case of letters, and also as Base64, percent-encoded or as hexadecimal digits.
    """
    forms = [form for token in tokens for form in _forms(token)]
    for form in forms:
        text = re.sub(re.escape(form), _HIDDEN, text, flags=re.IGNORECASE)
    folded = [form.casefold() for form in forms]

    def hide(word: re.Match[str]) -> str:
        piece = word.group()
        tells = len(piece) >= _TELLING_LENGTH and any(piece.casefold() in form for form in folded)
        return _HIDDEN if tells else piece

    return _WORD.sub(hide, text)


def hide_secrets(text: str) -> str:
    """A text with everything in it masked that the environment holds as a secret, whatever else it holds."""
    secrets = Secrets.read()
    for address in secrets.addresses:
        text = text.replace(address, _HIDDEN)
    return mask(text, map(Token, secrets.tokens))


@lru_cache(maxsize=1_000)
def _forms(token: Token) -> tuple[str, ...]:
    """A token as it is and as it is encoded; the encodings only where they are long enough to tell."""
    secret = token.reveal()
    return (secret, *(form for form in dict.fromkeys(_encodings(secret)) if len(form) >= _TELLING_LENGTH))


def _encodings(secret: str) -> Iterator[str]:
    plain = secret.encode()
    yield quote(secret, safe="")
    yield plain.hex()
    for offset in range(3):
        # what precedes a secret within a longer text decides where its groups of three bytes begin; the characters at
        # both ends hold bits of its neighbours too
        shifted = base64.b64encode(bytes(offset) + plain).decode()
        form = shifted[-(-offset * 8 // 6) : (offset + len(plain)) * 8 // 6]
        yield form
        yield form.translate(str.maketrans("+/", "-_"))
