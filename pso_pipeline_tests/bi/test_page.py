"""The lines that docs/bi-snapshot.md shows to readers work on a published snapshot."""

import re
from pathlib import Path

import pytest

from pso_pipeline.bi.snapshot import publish

PAGE = Path(__file__).parents[2] / "docs" / "bi-snapshot.md"
LINES = [
    line
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.splitlines()
    if line and not line.startswith(("#", "import"))
]


@pytest.fixture(scope="module")
def folder(generations, tmp_path_factory):
    """A folder with a published snapshot under its default name."""
    folder = tmp_path_factory.mktemp("page")
    publish(generations[1], folder / "data" / "bi")
    return folder


@pytest.mark.parametrize("line", LINES)
def test_line(folder, monkeypatch, line):
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec("import duckdb, pandas, polars, pyarrow.dataset", names)
    assert eval(line, names) is not None


def test_the_page_has_lines():
    assert len(LINES) == 8
    assert {"pandas", "polars", "pyarrow", "duckdb"} == {line.partition(".")[0] for line in LINES}
