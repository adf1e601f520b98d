"""What reports have alike is compiled once, and whatever happens to the file that keeps it, reports stay the same."""

import subprocess
import sys

import pytest

from pso_pipeline.bi.report import compiled
from pso_pipeline.bi.report.compiled import compiled_charts
from pso_pipeline.bi.report.page import write_report

WRITE_AND_LIST_MODULES = """
import sys
from pathlib import Path
from pso_pipeline.bi.report.page import write_report
write_report(Path(sys.argv[1]), Path(sys.argv[2]))
print(*sorted({"altair", "vl_convert"} & set(sys.modules)))
"""


@pytest.fixture
def kept(tmp_path):
    """A file that keeps the charts."""
    path = tmp_path / ".charts"
    compiled_charts(path)
    return path


def test_the_next_report_is_written_without_any_compiler_and_is_the_same(published, report, tmp_path):
    page = tmp_path / "again.html"
    command = [sys.executable, "-c", WRITE_AND_LIST_MODULES, str(published), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    assert page.read_bytes() == report.read_bytes()


def test_what_was_kept_is_read_and_left_alone(kept, monkeypatch):
    written = kept.stat().st_mtime_ns
    expected = compiled_charts(kept)
    monkeypatch.setattr(compiled, "_compile", lambda: pytest.fail("compiled again"))
    assert compiled_charts(kept) == expected
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: whole[:0], id="empty"),
        pytest.param(lambda whole: whole[:-1000], id="cut off"),
        pytest.param(lambda whole: whole.replace(b"function", b"funktion", 1), id="changed"),
        pytest.param(lambda whole: whole.partition(b"\n")[0] + b"\n{}", id="another content"),
    ],
)
def test_a_damaged_file_is_made_anew(kept, damage):
    whole, expected = kept.read_bytes(), compiled_charts(kept)
    assert damage(whole) != whole
    kept.write_bytes(damage(whole))
    assert compiled_charts(kept) == expected
    assert kept.read_bytes() == whole


@pytest.mark.parametrize(("name", "value"), [("COMPILERS", ("altair",)), ("SOURCES", ("charts.py", "page.py"))])
def test_charts_made_of_something_else_are_compiled_again(kept, monkeypatch, name, value):
    before = kept.read_bytes().partition(b"\n")
    monkeypatch.setattr(compiled, name, value)
    compiled_charts(kept)
    after = kept.read_bytes().partition(b"\n")
    assert after[0] != before[0]
    assert after[2] == before[2]


def test_where_nothing_can_be_kept_the_report_is_written_all_the_same(published, report, tmp_path):
    in_the_way = published / "versions" / ".charts"
    whole = in_the_way.read_bytes()
    in_the_way.unlink()
    in_the_way.mkdir()
    try:
        assert write_report(published, tmp_path / "page.html").read_bytes() == report.read_bytes()
        assert not list(in_the_way.parent.glob("..charts*"))
    finally:
        in_the_way.rmdir()
        in_the_way.write_bytes(whole)
