"""Ids computed from numbers and back, so that millions of ids need no dictionary.

An id has the form of a random (version 4) UUID: 16 digits are a mixed number, the other 14 free ones check it, so that
an id which this world never made is recognized. The tables know which numbers are in use.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

_WIDTH = 16
_NUMBER_BITS = 56
_FACTOR, _CHECK_FACTOR = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
_INVERSE = pow(_FACTOR, -1, 1 << 64)


class Kind(IntEnum):
    """What an id stands for; a part of the number, so that no two kinds share an id."""

    CHAIN = 1
    ENTERPRISE = 2
    ADDRESS = 3
    SERVICE = 4
    ORDER = 5
    CUSTOMER = 6
    COMPANY = 7
    RESERVATION = 8
    PROFILE = 9
    VOUCHER = 10
    SEGMENT = 11
    PRODUCT = 12
    CATEGORY = 13
    ITEM = 14
    BILL = 15


class Identifiers:
    """The ids of one world; another seed gives other ids."""

    def __init__(self, seed: int) -> None:
        self._key = int(np.random.default_rng([seed, 1]).integers(0, 1 << 63))

    def texts(self, kind: Kind | npt.NDArray[np.uint64], numbers: Sequence[int] | npt.NDArray[np.integer]) -> list[str]:
        """Ids of some numbers below 2**56, all of one kind or each of its own."""
        kinds = np.asarray(kind, dtype=np.uint64) << np.uint64(_NUMBER_BITS)
        mixed = (np.asarray(numbers, dtype=np.uint64) | kinds) ^ np.uint64(self._key)
        mixed = mixed * np.uint64(_FACTOR)
        checks = (mixed ^ mixed >> np.uint64(29)) * np.uint64(_CHECK_FACTOR)
        m, c = (words.astype(">u8").tobytes().hex() for words in (mixed, checks))
        return [
            f"{m[i : i + 8]}-{m[i + 8 : i + 12]}-4{m[i + 12 : i + 15]}-8{m[i + 15]}{c[i : i + 2]}-{c[i + 2 : i + 14]}"
            for i in range(0, len(m), _WIDTH)
        ]

    def text(self, kind: Kind, number: int) -> str:
        """One id."""
        return self.texts(kind, [number])[0]

    def number(self, id_: str) -> tuple[int, int] | None:
        """The kind and the number of an id (lower-case UUID text); None for an id that this world never made."""
        mixed = int(id_[:8] + id_[9:13] + id_[15:18] + id_[20], 16)
        kind, number = divmod(mixed * _INVERSE % (1 << 64) ^ self._key, 1 << _NUMBER_BITS)
        is_known = kind in set(Kind) and self.text(Kind(kind), number) == id_
        return (kind, number) if is_known else None

    def numbers(self, ids: Iterable[str], kinds: Iterable[Kind]) -> list[tuple[int, int]] | None:
        """The kind and the number of each id; None where one is of another kind or unknown."""
        found = [self.number(id_) for id_ in ids]
        allowed = set(kinds)
        known = [each for each in found if each is not None and each[0] in allowed]
        return known if len(known) == len(found) else None
