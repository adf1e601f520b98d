"""The secrets of the API, and what keeps them out of everything that is written down.

Add here what hides a token. Where tokens come from is in the settings.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn
from urllib.parse import quote

from pso_pipeline.settings import Secrets
from pso_pipeline.text import for_markdown, for_terminal

_HIDDEN = "***"
_WORD = re.compile(r"[\w-]+")

_SHORTEST_PIECE = 8
"""From this many characters on, a piece of a token is masked too: servers echo truncated requests."""

_LONGEST_MESSAGE = 300
"""Characters of the server's own message that are shown."""


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A client token or an access token of the API, which shows itself as `***` everywhere.

    A token cannot be copied or pickled, so that it does not get into a file or a message to another process.
    """

    _secret: str

    def __post_init__(self) -> None:
        if not self._secret:
            raise ValueError("a token is not empty")

    def reveal(self) -> str:
        """Return the secret itself, for the body of a request and nothing else."""
        return self._secret

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the secret's SHA-256, safe to store and to show."""
        return hashlib.sha256(self._secret.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        return _HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token cannot be pickled")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The two tokens that every request contains."""

    client_token: Token
    access_token: Token

    def hide(self, text: str | None) -> str:
        """Return a text of the server as one short line without these tokens, links and markup."""
        line = for_markdown(mask(for_terminal(text or ""), (self.client_token, self.access_token)))
        return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


class SecretBytes(bytes):
    """The body of a request, or of a response that may repeat it, which shows itself as `***` in a traceback.

    Error trackers send the local variables of each frame.
    """

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__


def mask(text: str, tokens: Iterable[Token]) -> str:
    """Return a text from outside with `***` instead of every token and every long piece of one.

    In upper or lower case, and also as Base64, percent-encoded or as hexadecimal digits.
    """
    forms = [form for token in tokens for form in _forms(token)]
    for form in forms:
        text = re.sub(re.escape(form), _HIDDEN, text, flags=re.IGNORECASE)
    folded = [form.casefold() for form in forms]

    def hide(word: re.Match[str]) -> str:
        piece = word.group()
        is_secret = len(piece) >= _SHORTEST_PIECE and any(piece.casefold() in form for form in folded)
        return _HIDDEN if is_secret else piece

    return _WORD.sub(hide, text)


def hide_secrets(text: str) -> str:
    """Return a text with every secret of the environment masked, whatever else the environment contains."""
    secrets = Secrets.read()
    for address in secrets.addresses:
        text = text.replace(address, _HIDDEN)
    return mask(text, map(Token, secrets.tokens))


@lru_cache(maxsize=1_000)
def _forms(token: Token) -> tuple[str, ...]:
    """Return a token as it is and as it is encoded; the encodings only where they are long enough to be secret."""
    secret = token.reveal()
    return (secret, *(form for form in dict.fromkeys(_encodings(secret)) if len(form) >= _SHORTEST_PIECE))


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
