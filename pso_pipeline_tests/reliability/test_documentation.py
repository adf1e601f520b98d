"""Tests that the reliability page names existing tests."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_exists():
    named = set(re.findall(r"`(?:\w+/)?(test_\w+?)(?:\.py)?(…?)`", (ROOT / "docs/reliability.md").read_text("utf-8")))
    sources = list((ROOT / "pso_pipeline_tests").rglob("test_*.py"))
    defined = {path.stem for path in sources}.union(
        *(re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE) for path in sources)
    )
    assert len(named) > 40
    for name, is_cut in named:
        assert any(each.startswith(name) if is_cut else each == name for each in defined), name
