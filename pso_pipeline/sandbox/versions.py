"""Versions of records in the order of time, and the pages that are cut out of them.

A record begins with one version and gains another with each change. All of them are kept, those of the future too: at
any moment the last version up to that moment is the current one, and a record whose first version lies ahead does not
exist yet. So whole lives can be drawn at once, and nothing is written as time passes.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]

FOREVER = 0xFFFFFFFF
_LONGEST_STEP = 1 << 20


class Versions:
    """The versions of some records, numbered record by record, each record's in the order of time.

    Args:
        record: Number of each version's record: from 0, ascending.
        changed: When each version began, in seconds since 1970.
    """

    def __init__(self, record: Integers, changed: Integers) -> None:
        self.record, self.changed = record.astype(np.uint32), changed.astype(np.uint32)
        self._until = np.append(self.changed[1:], np.uint32(FOREVER))[: len(record)]
        self._until[np.flatnonzero(np.diff(self.record))] = FOREVER
        self._by_time = np.argsort(self.changed, kind="stable").astype(np.uint32)
        self._times = self.changed[self._by_time]

    def current(self, record: int, now: int) -> int | None:
        """The version that a record has at a moment; None where the record does not exist then."""
        begin, end = _searched(self.record, record), _searched(self.record, record, "right")
        version = begin + _searched(self.changed[begin:end], now, "right") - 1
        return version if version >= begin else None

    def page(
        self,
        now: int,
        count: int,
        fits: Callable[[Integers], Flags],
        *,
        first: int = 0,
        last: int = FOREVER,
        after: int | None = None,
    ) -> Integers:
        """Cut out one page: the newest versions that are current at a moment and fit, newest first.

        Args:
            now: The moment.
            count: How many at most.
            fits: Tests which of some versions belong to the result.
            first: Earliest second of change.
            last: Latest second of change.
            after: The version that the page continues after, towards the older ones.
        """
        begin = _searched(self._times, first)
        end = _searched(self._times, min(last, now), "right")
        if after is not None:
            end = min(end, self._place(after))
        found: list[Integers] = [np.empty(0, dtype=np.uint32)]
        missing, step = count, 4 * count
        while missing > 0 and end > begin:
            end, latest = max(begin, end - step), end
            versions = self._by_time[end:latest][::-1]
            versions = versions[self._until[versions] > now]
            versions = versions[fits(versions)][:missing]
            found.append(versions)
            missing -= len(versions)
            step = min(2 * step, _LONGEST_STEP)
        return np.concatenate(found)

    def _place(self, version: int) -> int:
        """The place of a version in the order of time; of equal times the higher number is the newer."""
        moment = int(self.changed[version])
        begin, end = _searched(self._times, moment), _searched(self._times, moment, "right")
        return begin + _searched(self._by_time[begin:end], version)


def _searched(numbers: Integers, number: int, side: Literal["left", "right"] = "left") -> int:
    """Where a number belongs in ascending 32-bit numbers; a number of another type would have NumPy copy them all."""
    return int(np.searchsorted(numbers, np.uint32(min(max(number, 0), FOREVER)), side=side))
