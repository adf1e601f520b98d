"""Failures grouped by their cause: one line for 240 hotels that fail for one reason, not 240.

Which words make two reasons the same cause is decided here alone; what is done with the groups, by who shows them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN_NAMES = 3
"""Names in a line; of more it holds the number."""

_OF_ONE_REQUEST = re.compile(r"^([A-Za-z]+/[A-Za-z]+: )?(.* times in a row; last: )?|,? ?RequestId [^),;\s]+")
_NUMBERS = re.compile(r"(?<!status )\b[0-9]+([.,][0-9]+)*")


@dataclass(frozen=True, slots=True)
class Failures:
    """The names that failed for one cause, in order, with the reason of the first of them."""

    reason: str
    names: tuple[str, ...]

    def describe(self) -> str:
        """One line: the names, or some and their number, and the reason."""
        return f"{describe_names(self.names)}: {self.reason}"


def describe_names(names: Sequence[str], count: int | None = None) -> str:
    """Name them all where they are few, else some of them and how many there are, `count` where more than are named."""
    count = len(names) if count is None else count
    if count <= SHOWN_NAMES:
        return ", ".join(names)
    return f"{count:,} hotels ({', '.join(names[:SHOWN_NAMES])}, …)"


def cause_of(reason: str) -> str:
    """Reduce a reason to what all failures of one cause share: no operation, no RequestId, no number but the status."""
    return _NUMBERS.sub("#", _OF_ONE_REQUEST.sub("", reason))


def by_cause(reasons: Iterable[tuple[str, str]]) -> list[Failures]:
    """Group pairs of name and reason, in the order in which causes come first."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, reason in reasons:
        found.setdefault(cause_of(reason), (reason, []))[1].append(name)
    return [Failures(reason, tuple(names)) for reason, names in found.values()]
