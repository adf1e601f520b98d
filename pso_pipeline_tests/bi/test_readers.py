"""The Parquet files of a table are one table to the libraries that people read them with."""

import re
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pso_pipeline.bi.parquet import LARGE_TABLES
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.contract.marts import MART_TABLES
from pso_pipeline_tests.bi.generations import ORDERS, change, open_marts

MONTHS = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
LARGE = sorted(LARGE_TABLES)


@pytest.fixture(scope="module")
def parquet(generations, tmp_path_factory):
    """The Parquet folder of a second publication, in which one month was written and the others are links."""
    folder = tmp_path_factory.mktemp("readers")
    marts, bi_dir = folder / "marts.duckdb", folder / "bi"
    marts.write_bytes(generations[1].read_bytes())
    # columns that have values in one month only
    with open_marts(marts) as connection:
        connection.execute("UPDATE mart.fct_product_service_orders SET voucher_id = 'v' WHERE month(created_date) = 3")
    publish(marts, bi_dir)
    change(
        marts,
        "UPDATE mart.fct_product_service_orders SET hours_to_cancel = 1.5 WHERE month(created_date) = 5",
        LARGE,
        ["2026-05-01"],
    )
    assert publish(marts, bi_dir).rewritten == tuple(each.name for each in MART_TABLES if each.name in LARGE_TABLES)
    return bi_dir / "parquet"


@pytest.mark.parametrize("table", LARGE)
def test_pandas(parquet, table):
    frame = pd.read_parquet(parquet / table)
    assert len(frame) == ORDERS + 1
    assert sorted(frame["created_month"].unique()) == MONTHS
    may = pd.read_parquet(parquet / table, filters=[("created_month", "==", "2026-05")])
    assert 0 < len(may) < len(frame)


@pytest.mark.parametrize("table", LARGE)
def test_polars(parquet, table):
    frame = pl.scan_parquet(parquet / table)
    assert frame.select(pl.len()).collect().item() == ORDERS + 1
    months = frame.select(pl.col("created_month").cast(pl.String).unique().sort()).collect()
    assert months["created_month"].to_list() == MONTHS
    may = frame.filter(pl.col("created_month") == "2026-05").collect()
    assert 0 < len(may) < ORDERS


@pytest.mark.parametrize("table", LARGE)
def test_pyarrow(parquet, table):
    data = ds.dataset(parquet / table, partitioning="hive")
    assert data.count_rows() == ORDERS + 1
    assert sorted(set(data.to_table(["created_month"])["created_month"].to_pylist())) == MONTHS
    assert pq.read_table(parquet / table).num_rows == ORDERS + 1


@pytest.mark.parametrize("table", LARGE)
def test_duckdb(parquet, table):
    query = f"SELECT count(*), list_sort(list(DISTINCT created_month)) FROM '{parquet}/{table}/*/*.parquet'"
    assert duckdb.sql(query).fetchall() == [(ORDERS + 1, MONTHS)]


def test_types_are_those_of_the_contract_in_every_library(parquet):
    table = next(table for table in MART_TABLES if table.name == "fct_product_service_orders")
    by_duckdb = duckdb.sql(f"DESCRIBE FROM read_parquet('{parquet}/{table.name}/*/*.parquet')").fetchall()
    assert {name: kind for name, kind, *_ in by_duckdb} == {
        **{column.name: column.type for column in table.columns},
        "created_month": "VARCHAR",
    }
    by_polars = pl.scan_parquet(parquet / table.name).collect_schema()
    assert by_polars["created_date"] == pl.Date
    assert by_polars["is_firm"] == pl.Boolean
    assert by_polars["voucher_id"] == pl.String
    by_pandas = pd.read_parquet(parquet / table.name).dtypes
    assert str(by_pandas["created_at"]).startswith("datetime64")


def test_the_layout_follows_the_rules_of_spark(parquet):
    """Spark skips names that begin with `_` or `.`, and takes the month from the path: no file may have that column."""
    for table in MART_TABLES:
        path: Path = parquet / table.name
        if table.name not in LARGE_TABLES:
            assert pq.read_schema(path.with_suffix(".parquet")).names == [column.name for column in table.columns]
            continue
        files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
        assert all(re.fullmatch(r"created_month=\d{4}-\d{2}/data_\d+\.parquet", file) for file in files)
        assert len({pq.read_schema(path / file) for file in files}) == 1
        assert pq.read_schema(path / files[0]).names == [column.name for column in table.columns]


@pytest.mark.parametrize("read", [pd.read_parquet, pl.read_parquet, lambda path: duckdb.read_parquet(str(path)).pl()])
def test_a_small_table_is_one_file(parquet, read):
    assert read(parquet / "agg_orders_daily.parquet")["orders_created"].sum() == ORDERS + 1
