"""Bodies that are nearly JSON: without what makes all of one unreadable, the rest of it can be read.

Holds text that no parser takes: broken Unicode, control characters, nesting without end, texts over the limit. What a
record has to hold is decided in `records`.
"""

import re

import msgspec

from pso_pipeline.contract.limits import MAX_TEXT_BYTES

LONGEST_MENDED = 8 * 1024 * 1024
"""Bytes of a body up to which it is mended: some ten times those of a usual page."""

TOO_DEEP = b'"(nested too deeply to be read)"'
"""What is in a mended body instead of a value that is nested too deeply."""

_DEEPEST = 100
"""Levels of nesting that are read where a body is nested deeper than Python's stack allows."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    rb"|(?P<odd>\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
    rb"|\\."
)
_STRING_OR_BRACKETS = re.compile(_STRING.pattern + rb"|[\[{]++|[\]}]++", re.DOTALL)


def has_nul(body: bytes) -> bool:
    """Check whether a body that can be mended may hold the character NUL: JSON can write it and few can store it."""
    return len(body) <= LONGEST_MENDED and rb"\u0000" in body


def has_long_text(json: bytes) -> bool:
    """Check whether a JSON text holds a text over the limit, as a value or as a name, however deep."""
    return len(json) > MAX_TEXT_BYTES and any(
        len(found.group()) > MAX_TEXT_BYTES
        and len(msgspec.json.decode(found.group(), type=str).encode()) > MAX_TEXT_BYTES
        for found in _STRING.finditer(json)
    )


def mend(body: bytes) -> bytes:
    """Return the body without what makes all of it unreadable.

    What is not Unicode, and NUL, is replaced by U+FFFD; a control character is escaped; a byte order mark, and what is
    nested too deeply, is left out.
    """
    text = body.decode("utf-8-sig", "replace").encode()
    text = _STRING.sub(lambda string: _CONTROL.sub(lambda found: b"\\u%04x" % ord(found.group()), string.group()), text)
    text = _ESCAPE.sub(lambda found: rb"\ufffd" if found["odd"] else found.group(), text)
    return _without_depth(text)


def _without_depth(text: bytes) -> bytes:
    """Return the JSON text with `TOO_DEEP` instead of each object and list below the deepest level that is read."""
    kept, begin, depth = [], 0, 0
    for found in _STRING_OR_BRACKETS.finditer(text):
        run, before = found.group(), depth
        if run[0] in b"[{":
            depth += len(run)
            if before <= _DEEPEST < depth:
                kept += [text[begin : found.start() + _DEEPEST - before], TOO_DEEP]
        elif run[0] in b"]}":
            depth -= len(run)
            if depth <= _DEEPEST < before:
                begin = found.end() - (_DEEPEST - depth)
    return b"".join([*kept, text[begin:]]) if depth <= _DEEPEST else b"".join(kept)
