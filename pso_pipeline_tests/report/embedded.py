"""Reading what a report holds, without a browser."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any


def script(page: str, identifier: str) -> str:
    """Give the text of the script element with that id."""
    found = re.search(rf'<script [^>]*id="{identifier}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]


def data(path: Path) -> dict[str, Any]:
    """Give the counts that a report holds."""
    packed = script(path.read_text(encoding="utf-8"), "data")
    counts: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))
    return counts
