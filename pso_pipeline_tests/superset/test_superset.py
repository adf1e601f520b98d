"""Superset itself, started as `make superset` starts it: imports, answers every chart, follows publications, is drawn.

    make test-superset

makes the environment that they need, Superset's own (or SUPERSET_PYTHON names another), and runs them.
"""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
import pytest
from playwright.sync_api import expect

from pso_pipeline.bi.snapshot import publish
from pso_pipeline.contract.enums import ORIGIN_NAMES
from pso_pipeline_tests.browser import chromium
from pso_pipeline_tests.report.odd_world import HOSTILE
from pso_pipeline_tests.superset.bundle import FOLDER, load_bundle, queries
from pso_pipeline_tests.superset.conftest import write_marts
from pso_pipeline_tests.superset.look import (
    PATIENCE_MS,
    PICTURES,
    SCREEN,
    WHOLE,
    Visit,
    apply_filters,
    chart_on,
    keep_pictures,
    wait_for_charts,
)

pytestmark = pytest.mark.superset

BUNDLE = load_bundle()
HOSTILE_NAME = f'Zimt <img src=x onerror="window.pwned = 1"> {HOSTILE[0]}'
"""Last in every list, so that other tests choose other hotels."""
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
                    "columns": [axis(chart, column) for column in query.columns],
                    "metrics": list(query.metrics),
                    "filters": [
                        {"col": each["subject"], "op": each["operator"], "val": each["comparator"]}
                        for each in query.conditions
                    ]
                    + [{"col": column, "op": "IN", "val": values} for column, values in filters.items()],
                    "extras": {"having": query.having or ""},
                    "row_limit": 10000,
                }
                for query in queries(chart)
            ],
        }
        answer = self.client.post("/api/v1/chart/data", json=body)
        assert answer.status_code == 200, answer.text
        return [result["data"] for result in answer.json()["result"]]

    def send(self, path, **file):
        """Import a packed bundle through one of Superset's interfaces."""
        ((field, packed),) = file.items()
        answer = self.client.post(path, files={field: packed.read_bytes()}, data={"overwrite": "true"})
        assert answer.status_code == 200, answer.text

    def listed(self, kind):
        answer = self.client.get(f"/api/v1/{kind}/", params={"q": "(page_size:100)"})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def described(self):
        """Everything that the bundle describes, as Superset keeps it, without the times at which it was written."""
        with contextlib.closing(sqlite3.connect(self.home / "superset.db")) as database:
            return {
                table: [STAMP.sub("", repr(row)) for row in database.execute(f"SELECT * FROM {table} ORDER BY id")]
                for table in DESCRIBED
            } | {"shown": sorted(database.execute("SELECT dashboard_id, slice_id FROM dashboard_slices"))}


def axis(chart, column):
    """Ask for a chart's time axis by its grain, as Superset's own pages do; any other column goes by its name."""
    grain = chart["params"].get("time_grain_sqla")
    if grain is None or column != chart["params"].get("x_axis"):
        return column
    return {
        "columnType": "BASE_AXIS",
        "expressionType": "SQL",
        "label": column,
        "sqlExpression": column,
        "timeGrain": grain,
    }


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
    assert Path(PYTHON).exists(), f"{PYTHON} is missing: run `make test-superset`, or set SUPERSET_PYTHON"
    folder = tmp_path_factory.mktemp("running")
    write_marts(folder / "marts.duckdb", 20_000, hotel_names={"hotel 9": HOSTILE_NAME})
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
            password = (folder / "home" / "password").read_text(encoding="ascii")
            assert (folder / "home" / "password").stat().st_mode & 0o077 == 0
            who = {"username": "admin", "password": password, "provider": "db"}
            token = client.post("/api/v1/security/login", json=who).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            client.headers["X-CSRFToken"] = client.get("/api/v1/security/csrf_token/").json()["result"]
            yield Superset(found[1], folder / "home", folder / "bi", client)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        server.stdout.close()


@pytest.mark.parametrize(
    "address", ["sqlite:////etc/passwd", "duckdb:///:memory:", "duckdb:////etc/passwd", "postgresql://127.0.0.1/x"]
)
def test_nobody_adds_a_database(superset, address):
    body = {"database_name": address, "sqlalchemy_uri": address}
    assert superset.client.post("/api/v1/database/", json=body).status_code >= 400
    assert superset.client.post("/api/v1/database/test_connection/", json=body).status_code >= 400


@pytest.mark.parametrize(
    "query", ["FROM read_text('/etc/passwd')", "ATTACH '/etc/passwd'", "SET enable_external_access = true"]
)
def test_the_connection_reaches_no_file(superset, query):
    (database,) = superset.listed("database")
    body = {"database_id": database["id"], "sql": query, "schema": "mart"}
    answer = superset.client.post("/api/v1/sqllab/execute/", json=body)
    assert answer.status_code >= 400
    assert "root:" not in answer.text


def test_a_second_import_changes_nothing(superset):
    before = superset.described()
    assert len(before["slices"]) == len(before["shown"]) == len(BUNDLE.charts)
    again = start("--bi-dir", str(superset.bi_dir), "--home", str(superset.home), "--import-only")
    again.communicate()
    assert again.returncode == 0
    assert superset.described() == before


@pytest.fixture
def packed(superset, tmp_path):
    """The bundle as README.md packs it: a copy that names the snapshot, in a ZIP file."""
    copy = tmp_path / "pso_bi"
    shutil.copytree(FOLDER / "bundle", copy)
    connection = copy / "databases" / "pso_bi.yaml"
    line = f"sqlalchemy_uri: duckdb:///{superset.bi_dir}/pso_bi.duckdb"
    connection.write_text(
        re.sub("^sqlalchemy_uri: .*$", line, connection.read_text(encoding="utf-8"), flags=re.MULTILINE),
        encoding="utf-8",
    )
    return Path(shutil.make_archive(str(copy), "zip", tmp_path, "pso_bi"))


def test_the_import_page_takes_the_packed_bundle_and_changes_nothing_more(superset, packed):
    before = superset.described()
    superset.send("/api/v1/dashboard/import/", formData=packed)
    assert superset.described() == before


def test_an_import_that_overwrites_brings_back_what_was_changed(superset, packed):
    before = superset.described()
    chart, data_set = superset.listed("chart")[0], superset.listed("dataset")[0]
    for path, body in (
        (f"chart/{chart['id']}", {"slice_name": "Renamed by hand"}),
        (f"dataset/{data_set['id']}", {"description": "Changed by hand"}),
    ):
        assert superset.client.put(f"/api/v1/{path}", json=body).status_code == 200
    assert "Renamed by hand" in str(superset.described())
    superset.send("/api/v1/assets/import/", bundle=packed)
    after = superset.described()
    assert "by hand" not in str(after)
    assert {table: len(rows) for table, rows in after.items()} == {table: len(rows) for table, rows in before.items()}
    assert after["dashboards"] == before["dashboards"]


@pytest.mark.parametrize("chart", BUNDLE.charts.values(), ids=lambda chart: chart["slice_name"])
def test_every_chart_gets_rows(superset, chart):
    for rows, query in zip(superset.ask(chart), queries(chart), strict=True):
        assert any(row[metric] is not None for row in rows for metric in query.metrics)


def test_filters_narrow_the_figures(superset):
    orders = chart_named("Orders")
    _, (everything,) = superset.ask(orders)
    _, (some,) = superset.ask(orders, hotel=["Hotel 0"], service=["hotel 0 spa"], origin=["Front desk"])
    assert 0 < some["sum_orders_created"] < everything["sum_orders_created"] / 10


def test_a_query_reads_nothing_but_the_snapshot(superset):
    (database,) = superset.listed("database")

    def execute(statement):
        body = {"database_id": database["id"], "sql": statement, "runAsync": False}
        return superset.client.post("/api/v1/sqllab/execute/", json=body)

    answer = execute("SELECT count(*) AS hotels FROM mart.dim_enterprises")
    assert answer.json()["data"] == [{"hotels": 10}], answer.text
    for statement, reason in (
        ("SELECT * FROM read_text('/etc/hostname')", "file system operations are disabled by configuration"),
        ("CREATE TABLE mart.mine AS SELECT 1 AS one", "does not allow for DDL/DML"),
    ):
        answer = execute(statement)
        assert answer.status_code >= 400
        assert reason in answer.text


@pytest.fixture(scope="module")
def visit(superset):
    with chromium() as browser:
        yield Visit(browser, superset.address, (superset.home / "password").read_text(encoding="ascii"))


def test_the_browser_draws_every_chart(visit, tmp_path):
    page = visit.open(WHOLE)
    seen = wait_for_charts(page, len(BUNDLE.charts))
    assert [chart for chart in seen if chart["failure"] or not chart["drawn"]] == []
    assert {chart["title"] for chart in seen} == {chart["slice_name"] for chart in BUNDLE.charts.values()}
    hotels = chart_on(page, "Hotels and the age of their figures")
    expect(hotels.locator("td", has_text="Zimt (img src=x onerror=")).to_have_count(1)
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate("window.pwned ?? null") is None
    keep_pictures(page, tmp_path)
    # an empty page of this size is some 20 kB
    assert min((tmp_path / name).stat().st_size for name in PICTURES) > 60_000
    page.close()


def test_filters_in_the_browser_give_a_small_group_in_grey(superset, visit):
    """The figures of one hotel, service, origin and segment, with fewer than 30 orders behind some rates."""
    with duckdb.connect(str(superset.bi_dir / "pso_bi.duckdb"), read_only=True) as snapshot:
        group = snapshot.execute(
            """
            SELECT
                enterprise_name, service_name, origin, account_type, sum(orders_created),
                sum(mature_firm_orders_90d), sum(canceled_within_90d), sum(resolved_orders), sum(checked_in_orders)
            FROM mart.agg_orders_daily AS daily
            JOIN mart.dim_enterprises USING (enterprise_id)
            JOIN mart.dim_services ON dim_services.service_id = daily.service_id
            WHERE origin IS NOT NULL AND account_type IS NOT NULL
            GROUP BY ALL HAVING sum(mature_firm_orders_90d) BETWEEN 1 AND 29 AND sum(resolved_orders) >= 30
            ORDER BY ALL LIMIT 1
            """
        ).fetchone()
    assert group
    hotel, service, origin, segment, *counts = group
    orders, old, canceled, resolved, served = counts
    names = hotel, service, ORIGIN_NAMES.get(origin, origin), segment
    page = visit.open(SCREEN)
    apply_filters(page, dict(zip(("Hotel", "Service", "Origin", "Segment"), names, strict=True)))
    expect(chart_on(page, "Orders").locator(".header-line")).to_have_text(f"{orders:,}", timeout=PATIENCE_MS)
    cells = {
        metric: chart_on(page, "How sure the headline rates are").locator(f"td[aria-labelledby='header-{metric}']")
        for metric in (
            "sum_mature_firm_orders_90d",
            "cancellation_rate_90d",
            "sum_resolved_orders",
            "check_in_rate_resolved",
        )
    }
    texts = (f"{old}", f"{canceled / old:.1%}", f"{resolved}", f"{served / resolved:.1%}")
    for cell, text in zip(cells.values(), texts, strict=True):
        expect(cell).to_have_text(text, timeout=PATIENCE_MS)
    expect(cells["cancellation_rate_90d"]).to_have_css("color", "rgb(87, 96, 107)")
    expect(cells["check_in_rate_resolved"]).not_to_have_css("color", "rgb(87, 96, 107)")
    page.close()


def test_the_pages_reach_for_no_other_address(visit):
    assert visit.reached == []


def test_a_publication_is_seen_at_once(superset):
    """Also by a process that has read the snapshot before; the last test, since the others use the first snapshot."""
    orders = chart_named("Orders")
    _, (before,) = superset.ask(orders)
    marts = superset.bi_dir.with_name("more.duckdb")
    write_marts(marts, 21_000)
    assert publish(marts, superset.bi_dir).is_new
    _, (after,) = superset.ask(orders)
    assert after["sum_orders_created"] > before["sum_orders_created"]
