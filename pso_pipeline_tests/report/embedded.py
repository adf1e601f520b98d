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
    counts: dict[str, Any] = json.loads(unpacked(path.read_text(encoding="utf-8"), "data"))
    for table in (*counts["counts"].values(), *counts["spans"].values(), counts["weeks"]):
        values = table["values"]
        columns: list[list[int]] = []
        for base, differences in zip(values["bases"], values["differences"], strict=True):
            before = [0] * len(differences) if base is None else columns[base]
            columns.append([number + difference for number, difference in zip(before, differences, strict=True)])
        table["values"] = dict(zip(values["names"], columns, strict=True))
    return counts


def unpacked(page: str, identifier: str) -> str:
    """Give what a script element holds compressed."""
    return gzip.decompress(base64.b64decode(script(page, identifier))).decode()
