"""What the process does about memory that is no longer used: when garbage is looked for, and what the system gets back.

Python looks through all objects again as new ones come, and once more when the process ends. Modules alone are some
hundred thousand objects: of `import pso_pipeline.definitions` that takes a third of the CPU. What is collected, and
how, is Python's own affair.
"""

import contextlib
import ctypes
import gc
from collections.abc import Iterator
from functools import cache

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""New objects after which Python looks for garbage in a run: those of some twenty pages. At its own 700, collecting
takes 1.5 of 22 µs an order."""


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Look for no garbage in the block, and never again in what exists at its end: for imports, which stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for garbage seldom for the length of the block, and never in what existed when the first block began.

    The thousands of tuples that a page is read into die without that. Only the first block sets aside what exists: a
    process that serves many runs would keep the garbage of all of them.
    """
    _set_aside()
    usual = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def give_back() -> None:
    """Give what was freed back to the system, where its allocator keeps it.

    That of GNU/Linux keeps what lies below anything still in use: 25 MB after each landing. Others have no such call.
    """
    with contextlib.suppress(AttributeError):
        _allocator().malloc_trim(0)


@cache
def _allocator() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _set_aside() -> None:
    gc.freeze()
