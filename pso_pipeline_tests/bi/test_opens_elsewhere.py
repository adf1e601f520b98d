"""The snapshot opened by the tools that people use, each in an environment of its own from the package index.

Run by `pytest -m compat pso_pipeline_tests/bi`; it takes minutes and some hundred megabytes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pso_pipeline.bi.snapshot import publish
from pso_pipeline.contract.marts import MART_TABLES
from pso_pipeline_tests.bi.generations import ORDERS, TOTALS, as_of, write_generation

pytestmark = pytest.mark.compat

GENERATION = 7
ORDERS_THERE = ORDERS + GENERATION
COMMENTS = sum(1 + len(table.columns) for table in MART_TABLES)
EXPECTED = [*[ORDERS_THERE] * 8, str(GENERATION), str(GENERATION), str(as_of(GENERATION).replace(tzinfo=None))]

DUCKDB = """
import json, sys, duckdb
folder, totals = sys.argv[1:]
with duckdb.connect(f"{folder}/pso_bi.duckdb", read_only=True) as connection:
    seen = connection.execute(totals).fetchone()
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'mart'"
    for (name,) in connection.execute(names).fetchall():
        connection.execute(f"FROM mart.{name}").fetchall()  # an old version may lack a function of a view
    comments = sum(
        connection.execute(f"SELECT count(comment) FROM {kind}() WHERE schema_name = 'mart'").fetchone()[0]
        for kind in ("duckdb_tables", "duckdb_views", "duckdb_columns")
    )
with duckdb.connect() as connection:
    connection.execute(f"ATTACH '{folder}/pso_bi.duckdb' AS other (READ_ONLY)")
    # before 1.2, a view of an attached file is searched in the database in use
    connection.execute("USE other.mart")
    attached = connection.execute(totals).fetchone()
parquet = duckdb.execute(f"SELECT count(*) FROM '{folder}/parquet/rpt_orders/*/*.parquet'").fetchone()[0]
print(json.dumps({"seen": seen, "attached": attached, "comments": comments, "parquet": parquet}, default=str))
"""

ENGINE = """
import json, sys, sqlalchemy
folder, totals = sys.argv[1:]
engine = sqlalchemy.create_engine(f"duckdb:///{folder}/pso_bi.duckdb", connect_args={"read_only": True})
with engine.connect() as connection:
    seen = tuple(connection.execute(sqlalchemy.text(totals)).fetchone())
inspector = sqlalchemy.inspect(engine)
columns = [column["name"] for column in inspector.get_columns("rpt_orders", schema="mart")]
names = sorted(set(inspector.get_table_names("mart")) | set(inspector.get_view_names("mart")))
print(json.dumps({"seen": seen, "columns": columns, "names": names}, default=str))
"""

DATA_FRAMES = """
import json, pathlib, sys, pandas, polars
folder = pathlib.Path(sys.argv[1]).resolve()
sums = lambda frame: [len(frame), int(frame["orders_created"].sum())]
by_pandas = pandas.read_parquet(folder / "parquet" / "agg_orders_daily.parquet")
by_polars = polars.scan_parquet(folder / "parquet" / "agg_orders_daily.parquet").collect()
paths = sorted((folder / "parquet").iterdir())
whole = {path.stem: polars.scan_parquet(path).collect().height for path in paths}
same = {path.stem: len(pandas.read_parquet(path)) for path in paths}
schema = polars.scan_parquet(folder / "parquet" / "rpt_orders").collect_schema()
types = {name: str(kind) for name, kind in schema.items()}
print(json.dumps({"pandas": sums(by_pandas), "polars": sums(by_polars), "whole": whole, "same": same, "types": types}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("published")
    write_generation(base / "marts.duckdb", GENERATION)
    publish(base / "marts.duckdb", base / "bi")
    return base / "bi"


@pytest.fixture
def environment(tmp_path):
    """Make a Python environment with some packages, and run programs in it."""

    def make(*packages: str):
        subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
        python = str(tmp_path / "venv" / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)

        def run(*command: str, cwd: Path | None = None) -> str:
            variables = {**os.environ, "DO_NOT_TRACK": "1"}
            done = subprocess.run(
                [python, *command], stdout=subprocess.PIPE, text=True, cwd=cwd, env=variables, check=False
            )
            assert done.returncode == 0, done.stdout
            return done.stdout

        return run

    return make


@pytest.mark.parametrize("version", ["1.0.0", "1.1.3", "1.2.2", "1.4.4", "2.0.1"])
def test_duckdb(folder, environment, version):
    run = environment(f"duckdb=={version}")
    answer = json.loads(run("-c", DUCKDB, str(folder), TOTALS))

    assert answer == {"seen": EXPECTED, "attached": EXPECTED, "comments": COMMENTS, "parquet": ORDERS_THERE}


@pytest.mark.parametrize("version", ["1.0.0", "1.4.4", "1.5.5"])
def test_duckdb_engine(folder, environment, version):
    run = environment(f"duckdb=={version}", "duckdb-engine==0.17.0", "sqlalchemy<2")
    answer = json.loads(run("-c", ENGINE, str(folder), TOTALS))

    assert answer["seen"] == EXPECTED
    assert answer["names"] == sorted(table.name for table in MART_TABLES)
    assert answer["columns"] == [column.name for table in MART_TABLES[-1:] for column in table.columns]


def test_pandas_and_polars(folder, environment):
    run = environment("pandas", "pyarrow", "polars")
    answer = json.loads(run("-c", DATA_FRAMES, str(folder)))

    tables = json.loads((folder / "manifest.json").read_text())["tables"]
    rows = {name: table["rows"] for name, table in tables.items()}
    assert answer["pandas"] == answer["polars"] == [tables["agg_orders_daily"]["rows"], ORDERS_THERE]
    assert answer["whole"] == answer["same"] == rows
    assert answer["types"]["created_at"].startswith("Datetime")
    assert (answer["types"]["created_date"], answer["types"]["is_firm"]) == ("Date", "Boolean")


def test_dbt_duckdb(folder, environment, tmp_path):
    run = environment("dbt-duckdb", "dbt-core<1.11")
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(
        "{name: snapshot, version: 1.0.0, profile: snapshot, flags: {send_anonymous_usage_stats: false}}"
    )
    (project / "profiles.yml").write_text(
        "{snapshot: {target: dev, outputs: {dev: {type: duckdb, path: own.duckdb, attach: "
        f"[{{path: {folder}/pso_bi.duckdb, alias: pso_bi, read_only: true}}]}}}}}}}}"
    )
    (project / "models" / "sources.yml").write_text(
        "{version: 2, sources: [{name: mart, database: pso_bi, schema: mart, tables: [{name: rpt_orders}]}], "
        "models: [{name: orders, columns: [{name: order_id, data_tests: [unique, not_null]}]}]}"
    )
    (project / "models" / "orders.sql").write_text(
        "{{ config(materialized='table') }} SELECT order_id, service_name FROM {{ source('mart', 'rpt_orders') }}"
    )
    log = run("-m", "dbt.cli.main", "build", "--profiles-dir", ".", cwd=project)
    assert "PASS=3" in log
    counted = run(
        "-c", "import duckdb; print(duckdb.connect('own.duckdb').sql('SELECT count(*) FROM orders'))", cwd=project
    )
    assert str(ORDERS_THERE) in counted
