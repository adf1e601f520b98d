"""What is the same in every report of one version of the package: Vega, and the charts compiled for it.

Compiling takes 4 s of CPU, imports of Altair and vl-convert included, and a report is written after each change: so the
outcome is kept in a file that tells what it was made of. How the charts look stands in `charts.py`.
"""

import contextlib
import functools
import hashlib
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from pso_pipeline.bi.folder import replace_file

COMPILERS = ("altair", "vl-convert-python")
"""Distributions that compile: another version of one of them may compile the same charts differently."""

SOURCES = ("charts.py", "compiled.py")


class CompiledCharts(msgspec.Struct, frozen=True):
    """Vega and Vega-Embed as one script for a browser, and what it draws.

    `specifications` are Vega's, by the name of the kind of chart on the page; `font` is that of the charts.
    """

    vega: str
    font: str
    specifications: dict[str, Any]


def compiled_charts(kept: Path) -> CompiledCharts:
    """Read the charts from the file `kept`, or compile them where that is missing, damaged or of another version.

    What was compiled is kept there for the next time, in one rename; where that cannot be written, nothing is kept.
    """
    with contextlib.suppress(OSError):
        digest, _, content = kept.read_bytes().partition(b"\n")
        if digest == _digest(content):
            return msgspec.json.decode(content, type=CompiledCharts)
    compiled = _compile()
    content = msgspec.json.encode(compiled)
    with contextlib.suppress(OSError):
        replace_file(kept, _digest(content) + b"\n" + content)
    return compiled


def _digest(content: bytes) -> bytes:
    """Digest the content with everything that it is made of, so that one comparison tells both age and damage."""
    digest = hashlib.sha256(content)
    for compiler in COMPILERS:
        digest.update(f"\n{compiler} {version(compiler)}".encode())
    for source in SOURCES:
        digest.update(files("pso_pipeline.bi.report").joinpath(source).read_bytes())
    return digest.hexdigest().encode()


@functools.cache
def _compile() -> CompiledCharts:
    """Compile the charts in a process of their own: what compiles them takes 200 MB, and keeps 150 to its end."""
    compiling = [sys.executable, "-m", "pso_pipeline.bi.report.charts"]
    printed = subprocess.run(compiling, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603  # a fixed command without a shell
    return msgspec.json.decode(printed, type=CompiledCharts)
