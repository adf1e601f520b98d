import errno
import hashlib
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pso_pipeline.bi.errors import NothingPublished, SnapshotUnreadable
from pso_pipeline.bi.folder import Snapshot, current_snapshot, read_manifest, snapshot_path
from pso_pipeline.bi.parquet import LARGE_TABLES
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.contract.marts import MART_TABLES, SCHEMA_VERSION
from pso_pipeline_tests.bi.generations import (
    ORDERS,
    STATIC_TABLES,
    as_of,
    change,
    check_whole,
    open_marts,
    read_database_generation,
    read_generation,
    read_parquet,
    read_parquet_generation,
    write_generation,
)

STATIC = set(STATIC_TABLES)
MONTHS = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
LARGE = sorted(LARGE_TABLES)
NAMES = {table.name for table in MART_TABLES}


def table_of(file: str) -> str:
    return Path(file).relative_to("parquet").parts[0].removesuffix(".parquet")


def inodes(snapshot: Snapshot) -> dict[str, int]:
    """The inode of each Parquet file, by its path."""
    folder = snapshot.directory
    return {str(file.relative_to(folder)): file.stat().st_ino for file in (folder / "parquet").rglob("*.parquet")}


def written(first: Snapshot, second: Snapshot) -> set[str]:
    """The Parquet files of a snapshot that are not hard links to those of the snapshot before."""
    return set(dict(inodes(second).items() - inodes(first).items()))


def month_file(table: str, month: str) -> str:
    return f"parquet/{table}/created_month={month}/data_0.parquet"


def rows_of_file(bi_dir, table):
    return duckdb.sql(read_parquet(bi_dir, table) + " ORDER BY ALL").fetchall()


def rows_of_view(bi_dir, table):
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as connection:
        return connection.execute(f"FROM mart.{table} ORDER BY ALL").fetchall()


def test_the_first_publication_makes_the_public_names(marts, bi_dir):
    published = publish(marts, bi_dir)

    assert published.is_new
    assert set(published.rewritten) == NAMES
    assert check_whole(published.snapshot) == 1
    assert sorted(path.name for path in bi_dir.iterdir()) == [
        "current",
        "manifest.json",
        "parquet",
        "pso_bi.duckdb",
        "semantic",
        "versions",
    ]
    assert read_database_generation(bi_dir / "pso_bi.duckdb") == 1
    assert read_parquet_generation(bi_dir) == 1


def test_the_manifest_says_what_was_published(marts, bi_dir):
    earlier = datetime.now(UTC)
    publish(marts, bi_dir)

    manifest = json.loads((bi_dir / "manifest.json").read_text())
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["as_of_utc"] == "2026-11-23T10:00:01Z"
    assert earlier <= datetime.fromisoformat(manifest["published_utc"]) <= datetime.now(UTC)
    assert manifest["database"]["file"] == "pso_bi.duckdb"
    assert manifest["tables"].keys() == NAMES
    for name, table in manifest["tables"].items():
        paths = [file["file"] for file in table["files"]]
        assert {table_of(path) for path in paths} == {name}
        assert sum(pq.read_metadata(bi_dir / path).num_rows for path in paths) == table["rows"]
        if name in LARGE_TABLES:
            assert paths == [month_file(name, month) for month in MONTHS]
        else:
            assert paths == [table["file"]] == [f"parquet/{name}.parquet"]
            assert {"file": table["file"], "bytes": table["bytes"], "sha256": table["sha256"]}.items() <= table[
                "files"
            ][0].items()
    assert manifest["tables"]["rpt_orders"]["rows"] == ORDERS + 1


def test_as_of_is_that_of_the_oldest_hotel_in_scope(marts, bi_dir):
    with open_marts(marts) as connection:
        connection.execute(
            "UPDATE mart.dim_enterprises SET as_of_utc = NULL WHERE enterprise_id = 'hotel-0'"
        )  # never read to its end
    publish(marts, bi_dir)

    assert read_manifest(bi_dir).as_of_utc == as_of(2)


def test_as_of_is_null_before_any_hotel_was_read(marts, bi_dir):
    with open_marts(marts) as connection:
        connection.execute("DELETE FROM mart.dim_enterprises")
    publish(marts, bi_dir)

    assert read_manifest(bi_dir).as_of_utc is None


def test_a_new_generation_replaces_everything_and_the_one_before_stays_on_disk(marts, bi_dir):
    first = publish(marts, bi_dir).snapshot
    write_generation(marts, 2)
    second = publish(marts, bi_dir).snapshot

    assert check_whole(second) == check_whole(current_snapshot(bi_dir)) == 2
    assert check_whole(first) == 1
    assert second.manifest.published_utc > first.manifest.published_utc


def test_only_the_current_version_and_the_one_before_are_kept(marts, bi_dir):
    directories = []
    for generation in range(2, 6):
        write_generation(marts, generation)
        directories.append(publish(marts, bi_dir).snapshot.directory)

    assert [directory.exists() for directory in directories] == [False, False, True, True]


def test_a_connection_to_a_removed_version_goes_on(marts, bi_dir):
    publish(marts, bi_dir)
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as connection:
        for generation in range(2, 5):
            write_generation(marts, generation)
            publish(marts, bi_dir)
        assert read_generation(connection) == 1
        assert read_database_generation(bi_dir / "pso_bi.duckdb") == 4


def test_unchanged_tables_share_their_parquet_file_with_the_version_before(marts, bi_dir):
    first = publish(marts, bi_dir).snapshot
    write_generation(marts, 2)
    second = publish(marts, bi_dir)

    assert set(second.rewritten) == NAMES - STATIC
    assert {table_of(file) for file in written(first, second.snapshot)} == NAMES - STATIC
    for name in STATIC:
        assert second.snapshot.manifest.tables[name] == first.manifest.tables[name]


def test_only_months_that_changed_are_written(marts, bi_dir):
    first = publish(marts, bi_dir).snapshot
    change(
        marts,
        """
            UPDATE mart.fct_product_service_orders SET state = 'Canceled'
            WHERE created_date IN ('2026-02-10', '2026-04-30');
        """,
        LARGE,
        ["2026-02-01", "2026-04-01"],
    )
    second = publish(marts, bi_dir)

    assert sorted(second.rewritten) == LARGE
    assert written(first, second.snapshot) == {
        month_file(table, month) for table in LARGE for month in ("2026-02", "2026-04")
    }
    for name in NAMES:
        assert rows_of_file(bi_dir, name) == rows_of_view(bi_dir, name)


def test_months_may_vanish_and_appear(marts, bi_dir):
    publish(marts, bi_dir)
    change(
        marts,
        "UPDATE mart.fct_product_service_orders SET created_date = created_date - 365 WHERE month(created_date) = 3;"
        "UPDATE mart.fct_order_items SET created_date = created_date - 365 WHERE month(created_date) = 3",
        LARGE,
        ["2025-03-01", "2026-03-01"],
    )
    second = publish(marts, bi_dir).snapshot

    for name in LARGE:
        files = {file.file: file.rows for file in second.manifest.tables[name].files}
        assert [*files] == [month_file(name, each) for each in ("2025-03", *MONTHS)]
        assert files[month_file(name, "2026-03")] == 0
        assert rows_of_file(bi_dir, name) == rows_of_view(bi_dir, name)
    write_generation(marts, 2)
    assert check_whole(publish(marts, bi_dir).snapshot) == 2


def test_the_same_numbers_of_marts_that_were_rebuilt_are_other_versions(marts, bi_dir):
    first = publish(marts, bi_dir).snapshot
    with open_marts(marts) as connection:
        connection.execute("UPDATE mart.dim_dates SET year = 1999")
        connection.execute("UPDATE internal.marts_origin SET marts_id = 'another'")
    second = publish(marts, bi_dir)

    assert set(second.rewritten) == NAMES
    assert written(first, second.snapshot) == inodes(second.snapshot).keys()


@pytest.mark.parametrize("missing", ["created_month = '2026-02-01'", "table_name <> 'dim_dates'", "TRUE"])
def test_a_lack_of_versions_costs_time_and_no_rows(marts, bi_dir, caplog, missing):
    for _ in range(2):
        with open_marts(marts) as connection:
            connection.execute(f"DELETE FROM internal.table_versions WHERE {missing}")
            connection.execute("UPDATE mart.fct_product_service_orders SET order_number = order_number || '0'")
            connection.execute("UPDATE internal.table_versions SET version = version + 1")
        published = publish(marts, bi_dir)

        assert published.is_new
        assert published.snapshot.is_complete
        for name in NAMES:
            assert rows_of_file(bi_dir, name) == rows_of_view(bi_dir, name)
    if "2026-02" in missing:
        assert "all months of fct_product_service_orders are written again" in caplog.text


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_where_there_are_no_hard_links_files_are_copied(marts, bi_dir, monkeypatch, code):
    first = publish(marts, bi_dir).snapshot
    write_generation(marts, 2)

    def refuse(source, _target):
        raise OSError(code, os.strerror(code), source)

    monkeypatch.setattr(os, "link", refuse)
    second = publish(marts, bi_dir)

    assert set(second.rewritten) == NAMES - STATIC
    assert written(first, second.snapshot) == inodes(second.snapshot).keys()
    assert check_whole(second.snapshot) == 2
    assert not any((second.snapshot.directory / file).stat().st_mode & 0o222 for file in inodes(second.snapshot))


def test_tables_without_rows_have_a_file_with_their_columns(marts, bi_dir):
    with open_marts(marts) as connection:
        for table in ("fct_product_service_orders", "fct_order_state_changes", "fct_order_items", "dim_services"):
            connection.execute(f"DELETE FROM mart.{table}")
        connection.execute("DELETE FROM internal.table_versions WHERE created_month IS NOT NULL")
    for _ in range(2):
        publish(marts, bi_dir)
        for empty in (table for table in MART_TABLES if table.name in {*LARGE, "dim_services"}):
            columns = duckdb.sql(f"DESCRIBE {read_parquet(bi_dir, empty.name)}").fetchall()
            assert [(name, kind) for name, kind, *_ in columns] == [(each.name, each.type) for each in empty.columns]
            assert read_manifest(bi_dir).tables[empty.name].rows == 0


def test_orders_without_a_date_are_in_the_partition_without_a_month(marts, bi_dir):
    with open_marts(marts) as connection:
        connection.execute("UPDATE mart.fct_product_service_orders SET created_date = NULL WHERE order_id = 'order-7'")
        connection.execute("UPDATE mart.fct_order_items SET created_date = NULL WHERE service_order_id = 'order-7'")
    published = publish(marts, bi_dir).snapshot

    for name in LARGE:
        assert published.manifest.tables[name].files[-1].rows == 1
        assert published.manifest.tables[name].files[-1].file == month_file(name, "__HIVE_DEFAULT_PARTITION__")
        assert rows_of_file(bi_dir, name) == rows_of_view(bi_dir, name)


def test_every_file_of_a_table_has_the_same_columns_and_none_is_the_month(marts, bi_dir):
    with open_marts(marts) as connection:
        # a month where a column has no value keeps its type
        connection.execute("UPDATE mart.fct_product_service_orders SET voucher_id = 'v' WHERE month(created_date) = 3")
    published = publish(marts, bi_dir).snapshot

    for table in MART_TABLES:
        files = published.manifest.tables[table.name].files
        (schema,) = {pq.read_schema(published.directory / file.file) for file in files}
        assert schema.names == [column.name for column in table.columns]


def test_a_refresh_without_changes_publishes_when_the_figures_are_from_alone(marts, bi_dir):
    first = publish(marts, bi_dir).snapshot
    change(marts, "UPDATE mart.dim_enterprises SET as_of_utc = as_of_utc + INTERVAL 1 MINUTE", ["dim_enterprises"])
    second = publish(marts, bi_dir)

    assert second.rewritten == ("dim_enterprises",)
    assert written(first, second.snapshot) == {"parquet/dim_enterprises.parquet"}
    assert second.snapshot.manifest.as_of_utc == as_of(1) + timedelta(minutes=1)


def test_orders_without_a_known_hotel_or_service_have_no_names(marts, bi_dir):
    with open_marts(marts) as connection:
        connection.execute("DELETE FROM mart.dim_enterprises WHERE enterprise_id = 'hotel-1'")
        connection.execute("UPDATE mart.fct_product_service_orders SET service_id = NULL WHERE order_id = 'order-7'")
    publish(marts, bi_dir)

    assert rows_of_file(bi_dir, "rpt_orders") == rows_of_view(bi_dir, "rpt_orders")


def damage(file, how):
    """Damage a published file, which is read-only."""
    file.chmod(0o644)
    if how == "truncated":
        os.truncate(file, file.stat().st_size // 2)
    else:
        file.unlink()


@pytest.mark.parametrize("how", ["truncated", "gone"])
@pytest.mark.parametrize("is_changed", [True, False], ids=["as the marts change", "as nothing changes"])
def test_no_damaged_file_is_carried_over(marts, bi_dir, caplog, how, is_changed):
    first = publish(marts, bi_dir).snapshot
    broken = {"parquet/dim_dates.parquet", *(month_file(table, "2026-03") for table in LARGE)}
    for file in broken:
        damage(first.directory / file, how)
    if is_changed:
        change(marts, "UPDATE mart.agg_orders_daily SET pending_orders = 1", ["agg_orders_daily"])
    published = publish(marts, bi_dir)

    assert written(first, published.snapshot) == broken | (
        {"parquet/agg_orders_daily.parquet"} if is_changed else set()
    )
    assert check_whole(published.snapshot) == 1
    for name in NAMES:
        assert rows_of_file(bi_dir, name) == rows_of_view(bi_dir, name)
    assert "created_month=2026-03/data_0.parquet is missing or damaged and is written again" in caplog.text


@pytest.mark.parametrize("how", ["truncated", "gone"])
def test_a_damaged_database_is_not_taken_for_a_published_one(marts, bi_dir, how):
    publish(marts, bi_dir)
    damage(current_snapshot(bi_dir).database, how)
    published = publish(marts, bi_dir)
    assert published.is_new
    assert check_whole(published.snapshot) == 1


def test_a_snapshot_from_before_there_were_months_is_replaced(marts, bi_dir):
    first = publish(marts, bi_dir).snapshot
    with duckdb.connect(str(first.database), read_only=True) as reader:
        turn_into_single_files(first.directory)
        assert read_manifest(bi_dir).tables["rpt_orders"].rows == ORDERS + 1

        second = publish(marts, bi_dir, find_held_back=lambda: {"hotel-0": "of a check"})
        assert set(second.rewritten) == NAMES
        assert read_generation(reader) == 1
    assert read_manifest(bi_dir).tables["rpt_orders"].rows == ORDERS + 1
    assert check_whole(publish(marts, bi_dir).snapshot) == 1


def turn_into_single_files(directory: Path) -> None:
    """Give a snapshot the layout and the manifest that the package wrote before there were months."""
    manifest = json.loads((directory / "manifest.json").read_text())
    for name, table in manifest["tables"].items():
        path = directory / "parquet" / f"{name}.parquet"
        if name in LARGE_TABLES:
            duckdb.sql(read_parquet(directory, name)).write_parquet(str(path))
            shutil.rmtree(directory / "parquet" / name)
        manifest["tables"][name] = {
            "file": f"parquet/{name}.parquet",
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "rows": table["rows"],
            "content_digest": "of the rows",
        }
    del manifest["held_back_since"]
    (directory / "manifest.json").chmod(0o644)
    (directory / "manifest.json").write_text(json.dumps(manifest | {"content_digest": "of the whole"}))


def test_where_nothing_changed_the_version_before_stays_current(marts, bi_dir):
    first = publish(marts, bi_dir)
    second = publish(marts, bi_dir)

    assert not second.is_new
    assert second.rewritten == ()
    assert second.snapshot == first.snapshot
    assert [path.name for path in (bi_dir / "versions").iterdir() if path.name != ".lock"] == [
        first.snapshot.directory.name
    ]


def test_a_manifest_that_is_not_ours_is_replaced_and_named_to_readers(marts, bi_dir):
    manifest = publish(marts, bi_dir).snapshot.directory / "manifest.json"
    manifest.unlink()
    manifest.write_text('{"name": "an app"}')
    with pytest.raises(SnapshotUnreadable, match=r"manifest\.json"):
        read_manifest(bi_dir)

    assert check_whole(publish(marts, bi_dir).snapshot) == 1


def test_a_manifest_that_cannot_be_read_is_named(bi_dir):
    (bi_dir / "manifest.json").mkdir(parents=True)
    with pytest.raises(SnapshotUnreadable, match=f"{bi_dir}/manifest.json cannot be read"):
        read_manifest(bi_dir)


def test_every_table_view_and_column_keeps_its_comment(marts, bi_dir):
    publish(marts, bi_dir)
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE schema_name = 'mart'"
        ).fetchall()
        tables = connection.execute(
            "SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'mart'"
            " UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'mart'"
        ).fetchall()

    assert dict(tables) == {table.name: table.description for table in MART_TABLES}
    assert sorted(columns) == sorted(
        (table.name, column.name, column.type, column.description) for table in MART_TABLES for column in table.columns
    )


def test_the_storage_format_is_that_of_duckdb_1_0(marts, bi_dir):
    publish(marts, bi_dir)
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as connection:
        tags = connection.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE path IS NOT NULL")
        assert tags.fetchall() == [("v1.0.0+",)]


def test_published_files_cannot_be_written(marts, bi_dir):
    snapshot = publish(marts, bi_dir).snapshot

    files = [path for path in snapshot.directory.rglob("*") if path.is_file()]
    parquet = len(MART_TABLES) - len(LARGE) + len(LARGE) * len(MONTHS)
    assert len(files) == parquet + len(snapshot.manifest.semantic) + 2
    assert {path.stat().st_mode & 0o222 for path in files} == {0}


def test_what_was_committed_to_the_log_alone_is_published(marts, bi_dir):
    with duckdb.connect(str(marts)) as connection:
        connection.execute("SET checkpoint_threshold = '1GB'; PRAGMA disable_checkpoint_on_shutdown")
        connection.execute("UPDATE mart.dim_dates SET year = 1999")
    assert marts.with_name(marts.name + ".wal").stat().st_size > 0
    publish(marts, bi_dir)

    assert duckdb.sql(f"SELECT DISTINCT year FROM '{bi_dir}/parquet/dim_dates.parquet'").fetchall() == [(1999,)]


@pytest.mark.parametrize("name", ["pso_bi.duckdb.wal", "current/pso_bi.duckdb.wal"])
def test_a_log_that_somebody_left_beside_the_snapshot_does_not_reach_the_next_one(marts, bi_dir, tmp_path, name):
    publish(marts, bi_dir)
    (tmp_path / "stray.duckdb").write_bytes((bi_dir / "pso_bi.duckdb").read_bytes())
    with duckdb.connect(str(tmp_path / "stray.duckdb")) as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown; DELETE FROM mart.fct_product_service_orders")
    (tmp_path / "stray.duckdb.wal").rename(bi_dir / name)
    write_generation(marts, 2)
    publish(marts, bi_dir)

    assert read_database_generation(bi_dir / "pso_bi.duckdb") == 2
    assert not list(bi_dir.glob("*.wal"))


def test_the_folder_can_be_moved_and_other_files_in_it_stay(marts, bi_dir, tmp_path):
    bi_dir.mkdir()
    (bi_dir / "notes.txt").write_text("ours")
    (bi_dir / "versions").mkdir()
    (bi_dir / "versions" / "readme").write_text("theirs")
    publish(marts, bi_dir)
    moved = bi_dir.rename(tmp_path / "elsewhere")

    assert check_whole(current_snapshot(moved)) == 1
    write_generation(marts, 2)
    assert check_whole(publish(marts, moved).snapshot) == 2
    assert (moved / "notes.txt").read_text() == "ours"
    assert (moved / "versions" / "readme").read_text() == "theirs"


def test_versions_stay_in_order_where_the_clock_was_set_back(marts, bi_dir):
    published = publish(marts, bi_dir).snapshot
    future = published.directory.rename(published.directory.with_name("20991231T235959.000000Z"))
    (bi_dir / "current").unlink()
    (bi_dir / "current").symlink_to(f"versions/{future.name}")
    write_generation(marts, 2)
    after = publish(marts, bi_dir).snapshot

    assert after.directory.name == "20991231T235959.000001Z"
    assert future.exists()
    assert check_whole(current_snapshot(bi_dir)) == 2


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system that everybody may write")
def test_the_folder_may_be_on_another_file_system(marts, tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bi_dir = Path(folder) / "bi"
        assert Path(folder).stat().st_dev != marts.stat().st_dev
        for generation in (1, 2):
            write_generation(marts, generation)
            assert check_whole(publish(marts, bi_dir).snapshot) == generation


def test_the_snapshot_is_found_by_its_own_permanent_name(marts, bi_dir):
    published = publish(marts, bi_dir).snapshot
    path = snapshot_path(bi_dir)
    write_generation(marts, 2)
    publish(marts, bi_dir)

    assert path == published.database
    assert not path.is_symlink()
    assert read_database_generation(path) == 1


def test_a_copy_of_the_folder_without_links_can_be_read(marts, bi_dir, tmp_path):
    publish(marts, bi_dir)
    shutil.copytree(bi_dir / "current", tmp_path / "copied")

    assert check_whole(current_snapshot(tmp_path / "copied")) == 1


@pytest.mark.parametrize("make", [str, Path.mkdir, Path.touch], ids=["missing", "empty", "file"])
def test_nothing_published_is_said_so(bi_dir, make):
    make(bi_dir)
    for read in (current_snapshot, read_manifest, snapshot_path):
        with pytest.raises(NothingPublished, match=f"{bi_dir} yet: run a refresh"):
            read(bi_dir)
