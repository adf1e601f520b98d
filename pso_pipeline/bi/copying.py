"""Writing bytes to an unbuffered file: those of another file, within the kernel where it can, or those at hand."""

import contextlib
import os
from io import FileIO

_AT_ONCE = 1 << 20


def copy_range(source: FileIO, start: int, size: int, target: FileIO) -> None:
    """Append `size` bytes of `source`, from `start` on, to `target`.

    The kernel copies them, and shares the blocks where the file system can; what it will not copy goes through memory.

    Raises:
        OSError: A file cannot be read or written, or `source` ends too early.
    """
    end = start + size
    with contextlib.suppress(OSError, AttributeError):  # what is a real fault comes again below
        while start < end:
            copied = os.copy_file_range(source.fileno(), target.fileno(), end - start, offset_src=start)
            if not copied:
                break
            start += copied
    while start < end:
        block = os.pread(source.fileno(), min(end - start, _AT_ONCE), start)
        if not block:
            raise OSError(f"{source.name!s} ends after {start} bytes, {end} were expected")
        write_all(target, block)
        start += len(block)


def write_all(target: FileIO, content: bytes) -> None:
    """Write all of `content`, of which an unbuffered file may take a part at once.

    Raises:
        OSError: The file cannot be written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[target.write(rest) :]
