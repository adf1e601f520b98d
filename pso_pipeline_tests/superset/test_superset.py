"""Superset itself, started as `make superset` starts it: imports, answers every chart, follows publications, is drawn.

    pytest -m superset

needs the environment that `make superset` makes (or another one, named by SUPERSET_PYTHON); the picture also needs
chromium and chromedriver, and is kept where SUPERSET_PICTURE says.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pso_pipeline.bi.snapshot import publish
from pso_pipeline_tests.superset.bundle import FOLDER, load_bundle, queries
from pso_pipeline_tests.superset.conftest import write_marts

pytestmark = pytest.mark.superset

BUNDLE = load_bundle()
PYTHON = os.environ.get("SUPERSET_PYTHON") or str(FOLDER.parents[1] / ".venv-superset" / "bin" / "python")
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
DESCRIBED = ("dbs", "tables", "table_columns", "sql_metrics", "slices", "dashboards")
"""Superset's tables of connections, data sets, columns, metrics, charts and dashboards."""


@dataclass
class Superset:
    """A running Superset: where it answers, where it keeps its data, and the folder of its snapshot."""

    address: str
    home: Path
    bi_dir: Path
    client: httpx.Client

    def ask(self, chart, **filters):
        """Ask what a chart asks; return the rows of each of its queries."""
        data_set = BUNDLE.data_set_of(chart)
        (known,) = [each for each in self.listed("dataset") if each["table_name"] == data_set["table_name"]]
        body = {
            "datasource": {"id": known["id"], "type": "table"},
            "queries": [
                {
                    "columns": list(query.columns),
                    "metrics": list(query.metrics),
                    "filters": [
                        {"col": each["subject"], "op": each["operator"], "val": each["comparator"]}
                        for each in query.conditions
                    ]
                    + [{"col": column, "op": "IN", "val": values} for column, values in filters.items()],
                    "extras": {"having": query.having or "", "time_grain_sqla": chart["params"].get("time_grain_sqla")},
                    "row_limit": 10000,
                }
                for query in queries(chart)
            ],
        }
        answer = self.client.post("/api/v1/chart/data", json=body)
        assert answer.status_code == 200, answer.text
        return [result["data"] for result in answer.json()["result"]]

    def listed(self, kind):
        answer = self.client.get(f"/api/v1/{kind}/", params={"q": "(page_size:100)"})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def described(self):
        """Everything that the bundle describes, as Superset keeps it, without the times at which it was written."""
        with sqlite3.connect(self.home / "superset.db") as database:
            return {
                table: [STAMP.sub("", repr(row)) for row in database.execute(f"SELECT * FROM {table} ORDER BY id")]
                for table in DESCRIBED
            } | {"shown": sorted(database.execute("SELECT dashboard_id, slice_id FROM dashboard_slices"))}


def chart_named(name):
    (chart,) = [chart for chart in BUNDLE.charts.values() if chart["slice_name"] == name]
    return chart


def start(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUPERSET_")}
    return subprocess.Popen(
        [PYTHON, str(FOLDER / "start.py"), *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )


@pytest.fixture(scope="module")
def superset(tmp_path_factory):
    assert Path(PYTHON).exists(), f"{PYTHON} is missing: run `make superset`, or set SUPERSET_PYTHON"
    folder = tmp_path_factory.mktemp("running")
    write_marts(folder / "marts.duckdb", 20_000)
    publish(folder / "marts.duckdb", folder / "bi")
    server = start("--bi-dir", str(folder / "bi"), "--home", str(folder / "home"), "--port", "0")
    try:
        assert server.stdout is not None
        words = ""
        while "Sign in" not in words:
            line = server.stdout.readline()
            assert line, f"Superset ended: {words}"
            words += line
        found = re.search(r"(http://127\.0\.0\.1:\d+)/superset/dashboard/check-in-and-cancellation/", words)
        assert found
        with httpx.Client(base_url=found[1], timeout=60) as client:
            who = {"username": "admin", "password": "admin", "provider": "db"}
            token = client.post("/api/v1/security/login", json=who).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield Superset(found[1], folder / "home", folder / "bi", client)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        server.stdout.close()


def test_a_second_import_changes_nothing(superset):
    before = superset.described()
    assert len(before["slices"]) == len(before["shown"]) == len(BUNDLE.charts)
    again = start("--bi-dir", str(superset.bi_dir), "--home", str(superset.home), "--import-only")
    again.communicate()
    assert again.returncode == 0
    assert superset.described() == before


def test_an_import_brings_back_what_was_changed(superset):
    before = superset.described()
    changed = superset.listed("chart")[0]
    body = {"slice_name": "Renamed by hand"}
    assert superset.client.put(f"/api/v1/chart/{changed['id']}", json=body).status_code == 200
    assert superset.described() != before
    again = start("--bi-dir", str(superset.bi_dir), "--home", str(superset.home), "--import-only")
    again.communicate()
    assert superset.described()["dashboards"] == before["dashboards"]
    assert {chart["slice_name"] for chart in superset.listed("chart")} == {
        chart["slice_name"] for chart in BUNDLE.charts.values()
    }


@pytest.mark.parametrize("chart", BUNDLE.charts.values(), ids=lambda chart: chart["slice_name"])
def test_every_chart_gets_rows(superset, chart):
    for rows, query in zip(superset.ask(chart), queries(chart), strict=True):
        assert any(row[metric] is not None for row in rows for metric in query.metrics)


def test_filters_narrow_the_figures(superset):
    orders = chart_named("Orders")
    ((everything,),) = superset.ask(orders)
    ((some,),) = superset.ask(orders, hotel=["Hotel 0"], service=["hotel 0 spa"], origin=["Commander"])
    assert 0 < some["sum_orders_created"] < everything["sum_orders_created"] / 10


def test_a_query_reads_nothing_but_the_snapshot(superset):
    (database,) = superset.listed("database")
    for statement in ("SELECT * FROM read_text('/etc/hostname')", "CREATE TABLE mart.mine AS SELECT 1 AS one"):
        body = {"database_id": database["id"], "sql": statement, "runAsync": False}
        answer = superset.client.post("/api/v1/sqllab/execute/", json=body)
        assert answer.status_code >= 400, statement


def test_the_browser_draws_every_chart(superset, tmp_path):
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("chromium or chromedriver is not installed")
    picture = Path(os.environ.get("SUPERSET_PICTURE") or tmp_path / "dashboard.png")
    look = Path(__file__).with_name("look.py")
    command = [PYTHON, str(look), superset.address, "--charts", str(len(BUNDLE.charts)), "--picture", str(picture)]
    seen = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    assert [chart for chart in seen["charts"] if chart["failure"] or not chart["drawn"]] == []
    assert {chart["title"] for chart in seen["charts"]} == {chart["slice_name"] for chart in BUNDLE.charts.values()}
    assert seen["reached"] == []
    # an empty page of this size is some 40 kB
    assert picture.stat().st_size > 200_000


def test_a_publication_is_seen_at_once(superset):
    """Also by a process that has read the snapshot before; the last test, since the others use the first snapshot."""
    orders = chart_named("Orders")
    ((before,),) = superset.ask(orders)
    marts = superset.bi_dir.with_name("more.duckdb")
    write_marts(marts, 21_000)
    assert publish(marts, superset.bi_dir).is_new
    ((after,),) = superset.ask(orders)
    assert after["sum_orders_created"] > before["sum_orders_created"]
