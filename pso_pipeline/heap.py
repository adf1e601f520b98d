"""When Python collects garbage: not while modules are imported, because they stay, and seldom after that."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage within the block, never the objects that exist at its end, and seldom after it."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(50_000)
        gc.enable()
