"""The compiled charts in the package are those that `charts.py` describes, and reports are written from them alone."""

import subprocess
import sys
from importlib.resources import files

from pso_pipeline.bi.report.charts import compile_charts

WRITE_AND_LIST_MODULES = """
import sys
from pathlib import Path
from pso_pipeline.bi.report.page import write_report
write_report(Path(sys.argv[1]), Path(sys.argv[2]))
print(*sorted({"altair", "vl_convert"} & set(sys.modules)))
"""


def test_the_committed_charts_are_current():
    folder = files("pso_pipeline.bi.report.compiled")
    committed = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith((".js", ".json"))
    }
    assert committed == compile_charts(), "run: python -m pso_pipeline.bi.report.charts"


def test_a_report_is_written_without_a_compiler_and_leaves_nothing_else(published, report, tmp_path):
    before = sorted(published.rglob("*"))
    page = tmp_path / "again.html"
    command = [sys.executable, "-c", WRITE_AND_LIST_MODULES, str(published), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    assert page.read_bytes() == report.read_bytes()
    assert sorted(published.rglob("*")) == before


def test_nothing_in_the_published_folder_reaches_the_scripts_of_a_report(published, report, tmp_path):
    """A folder that others can write must not decide what a browser runs."""
    planted = published / "versions" / ".charts"
    planted.write_text("window.planted = true")
    try:
        again = tmp_path / "again.html"
        subprocess.run(
            [sys.executable, "-c", WRITE_AND_LIST_MODULES, str(published), str(again)], capture_output=True, check=True
        )
        assert again.read_bytes() == report.read_bytes()
    finally:
        planted.unlink()
