"""The clocks that the client waits by, in one place, so that hours of outage can be tested in no time.

Add a clock here when a part of the client needs another one. Waiting itself belongs to the parts that wait.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of day, a clock that never jumps, and a pause, all in seconds.

    `wall` is shared by the processes of a machine and can jump; `steady` counts within one process.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
