"""What a refresh is doing right now, for a person who waits for it.

A command watches (`watching`), the steps of a refresh and the reads write what they do, and nobody has to be there:
without a watcher nothing is written. How it is shown is decided in the command line.
"""

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Activity:
    """The step, and how far its reads have come.

    `hotels` is how many are read, of which `hotels_done` are read to their end. `records` have been received, of about
    `expected`, which is 0 where nobody knows. `requests` were sent. The step began at `began`, in monotonic seconds.
    """

    step: str = ""
    hotels: int = 0
    hotels_done: int = 0
    records: int = 0
    expected: int = 0
    requests: int = 0
    began: float = field(default_factory=time.monotonic)

    def begin(self, step: str) -> None:
        """Begin another step."""
        self.step, self.began = step, time.monotonic()
        self.hotels = self.hotels_done = self.records = self.expected = self.requests = 0


_WATCHED: ContextVar[Activity | None] = ContextVar("watched", default=None)


@contextlib.contextmanager
def watching() -> Iterator[Activity]:
    """Watch what is done within the block, also in its tasks and threads of asyncio."""
    activity = Activity()
    token = _WATCHED.set(activity)
    try:
        yield activity
    finally:
        _WATCHED.reset(token)


def current_activity() -> Activity:
    """Return the activity to write to; one that nobody reads where nobody watches."""
    return _WATCHED.get() or Activity()


def is_watched() -> bool:
    """Whether somebody watches."""
    return _WATCHED.get() is not None
