"""Ids computed from numbers and back, so that millions of them need no dictionary.

An id looks like a random (version 4) UUID. 60 of its 122 free bits are a keyed permutation of what it stands for, the
other 62 a checksum of those, so that an id this world never made is told apart. Whether a number is in use is for the
holder of the numbers to say.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]
# Texts of one width, each an element.
Texts = npt.NDArray[np.void]
Bytes = npt.NDArray[np.uint8]

ID_LENGTH = 36

_BITS = 60
_NUMBER_BITS = np.uint64(56)
_MASK = np.uint64((1 << _BITS) - 1)
_HALF = np.uint64(_BITS // 2)
_FACTORS = (0xBF58476D1CE4E5B, 0x94D049BB133111B)
_GROUPS = {"time_low": 8, "time_mid": 4, "time_high": 4, "clock": 4, "node": 12}
_VERSION_4 = np.uint64(0x4000)
_VARIANT = np.uint64(1 << 63)


class Kind(IntEnum):
    """What an id stands for; part of the permuted number, so that no two kinds share an id."""

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


class Identifiers:
    """The ids of one world; another seed gives other ids.

    Args:
        seed: The seed of the world.
    """

    def __init__(self, seed: int) -> None:
        keys = np.random.default_rng([seed, 1]).integers(0, 1 << _BITS, size=2, dtype=np.uint64)
        self._key, self._checksum_key = np.uint64(keys[0]), np.uint64(keys[1])
        self._inverses = tuple(pow(factor, -1, 1 << _BITS) for factor in _FACTORS)
        pairs = np.arange(1 << 16, dtype=np.uint16).view(np.uint8)
        digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
        self._hexadecimal = np.stack([digits[pairs >> 4], digits[pairs & 15]], axis=-1).ravel().view(np.uint32)
        self._digits, self._text = _groups(0), _groups(len("-"))

    def rows(self, kinds: Kind | npt.NDArray[Any], numbers: Numbers) -> Texts:
        """Ids as ASCII text of 36 bytes, one for each number (below 2**56) of its kind."""
        high = self._permuted(numbers | np.asarray(kinds, dtype=np.uint64) << _NUMBER_BITS)
        words = np.empty((len(numbers), 2), dtype=">u8")
        words[:, 0] = (high >> np.uint64(12)) << np.uint64(16) | _VERSION_4 | high & np.uint64(0xFFF)
        words[:, 1] = self._checksum(high) | _VARIANT
        digits = self._hexadecimal.take(words.view(np.uint16)).view(self._digits).ravel()
        rows = np.frombuffer(bytearray(b"-" * ID_LENGTH * len(numbers)), dtype=self._text)
        for group in _GROUPS:
            rows[group] = digits[group]
        return rows.view(f"V{ID_LENGTH}")

    def text(self, kind: Kind, number: int) -> str:
        """One id."""
        return self.texts(kind, [number])[0]

    def texts(self, kind: Kind, numbers: Sequence[int]) -> list[str]:
        """Ids of many numbers of one kind."""
        return [row.decode() for row in self.rows(kind, np.array(numbers, dtype=np.uint64)).view("S36").tolist()]

    def numbers(self, ids: Sequence[str]) -> tuple[Bytes, Numbers]:
        """The kind and the number of each id (lower-case UUID text); kind 0 where this world made no such id."""
        raw = bytes.fromhex("".join(ids).replace("-", ""))
        words = np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(len(ids), 2)
        high = (words[:, 0] >> np.uint64(16)) << np.uint64(12) | words[:, 0] & np.uint64(0xFFF)
        version = words[:, 0] & np.uint64(0xF000)
        ours = (version == _VERSION_4) & (words[:, 1] == self._checksum(high) | _VARIANT)
        plain = self._plain(high)
        kinds = np.where(ours, plain >> _NUMBER_BITS, np.uint64(0)).astype(np.uint8)
        return kinds, plain & np.uint64((1 << 56) - 1)

    def _permuted(self, values: Numbers) -> Numbers:
        values = values ^ self._key
        for factor in _FACTORS:
            values = values ^ values >> _HALF
            values = values * np.uint64(factor) & _MASK
        return values ^ values >> _HALF

    def _plain(self, values: Numbers) -> Numbers:
        plain: Numbers = values ^ values >> _HALF
        for inverse in reversed(self._inverses):
            plain = plain * np.uint64(inverse) & _MASK
            plain = plain ^ plain >> _HALF
        return plain ^ self._key

    def _checksum(self, values: Numbers) -> Numbers:
        mixed: Numbers = (values ^ self._checksum_key) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ mixed >> np.uint64(31)) * np.uint64(0xD6E8FEB86659FD93)
        return (mixed ^ mixed >> np.uint64(32)) >> np.uint64(2)


def _groups(gap: int) -> np.dtype[np.void]:
    """The five groups of digits of an id, so many bytes apart."""
    widths = list(_GROUPS.values())
    offsets = [sum(widths[:place]) + place * gap for place in range(len(widths))]
    return np.dtype({"names": list(_GROUPS), "formats": [f"V{width}" for width in widths], "offsets": offsets})
