import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pso_pipeline.bi.errors import NothingPublished, SnapshotUnreadable
from pso_pipeline.bi.folder import Snapshot, current_snapshot, read_manifest, snapshot_path
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.contract.marts import MART_TABLES, SCHEMA_VERSION
from pso_pipeline_tests.bi.generations import (
    ORDERS,
    as_of,
    check_whole,
    open_marts,
    read_database_generation,
    read_generation,
    read_parquet_generation,
    write_generation,
)

STATIC = {"dim_services", "dim_dates"}
NAMES = {table.name for table in MART_TABLES}


def parquet_inodes(snapshot: Snapshot) -> dict[str, int]:
    return {file.stem: file.stat().st_ino for file in (snapshot.directory / "parquet").iterdir()}


def rows_of_file(bi_dir, table):
    return duckdb.sql(f"FROM '{bi_dir}/parquet/{table}.parquet' ORDER BY ALL").fetchall()


def rows_of_view(bi_dir, table):
    with duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True) as connection:
        return connection.execute(f"FROM mart.{table} ORDER BY ALL").fetchall()


def test_the_first_publication_makes_the_three_public_names(marts, bi_dir):
    published = publish(marts, bi_dir)

    assert published.is_new
    assert set(published.rewritten) == NAMES
    assert check_whole(published.snapshot) == 1
    assert sorted(path.name for path in bi_dir.iterdir()) == [
        "current",
        "manifest.json",
        "parquet",
        "pso_bi.duckdb",
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
        assert table["file"] == f"parquet/{name}.parquet"
        assert pq.read_metadata(bi_dir / table["file"]).num_rows == table["rows"]
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
    before, after = parquet_inodes(first), parquet_inodes(second.snapshot)
    assert {name for name in NAMES if before[name] == after[name]} == STATIC
    for name in STATIC:
        assert second.snapshot.manifest.tables[name] == first.manifest.tables[name]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE mart.dim_services SET is_active = NOT coalesce(is_active, false) WHERE service_id = 'service-3'",
        "UPDATE mart.dim_services SET service_name = NULL WHERE service_id = 'service-3'",
        "DELETE FROM mart.dim_services WHERE service_id = 'service-3'",
        "INSERT INTO mart.dim_services SELECT * FROM mart.dim_services WHERE service_id = 'service-3'",
        # each value still occurs as often as before
        "UPDATE mart.dim_services SET service_name = translate(service_name, '34', '43')",
    ],
    ids=["value", "null", "fewer", "twice", "swapped"],
)
def test_the_smallest_change_of_a_table_is_seen_in_it_and_in_the_views_over_it(marts, bi_dir, change):
    publish(marts, bi_dir)
    with open_marts(marts) as connection:
        connection.execute(change)
        changed = connection.execute("FROM mart.dim_services ORDER BY ALL").fetchall()
    published = publish(marts, bi_dir)

    assert set(published.rewritten) == {"dim_services", "rpt_orders"}
    assert rows_of_file(bi_dir, "dim_services") == changed
    assert rows_of_file(bi_dir, "rpt_orders") == rows_of_view(bi_dir, "rpt_orders")


def test_orders_without_a_known_hotel_or_service_have_no_names(marts, bi_dir):
    with open_marts(marts) as connection:
        connection.execute("DELETE FROM mart.dim_enterprises WHERE enterprise_id = 'hotel-1'")
        connection.execute("UPDATE mart.fct_product_service_orders SET service_id = NULL WHERE order_id = 'order-7'")
    publish(marts, bi_dir)

    assert rows_of_file(bi_dir, "rpt_orders") == rows_of_view(bi_dir, "rpt_orders")


def test_the_file_of_orders_with_names_is_made_of_that_of_the_facts(marts, bi_dir, caplog):
    publish(marts, bi_dir)

    facts = pq.read_metadata(bi_dir / "parquet" / "fct_product_service_orders.parquet")
    orders = pq.read_metadata(bi_dir / "parquet" / "rpt_orders.parquet")
    sizes = [
        [group.column(place).total_compressed_size for place in range(facts.num_columns)]
        for group in (facts.row_group(0), orders.row_group(0))
    ]
    assert sizes[0] == sizes[1]
    assert not caplog.messages


def damage(file, how):
    """Damage a published file, which is read-only."""
    file.chmod(0o644)
    match how:
        case "a byte":
            with file.open("r+b") as content:
                content.seek(file.stat().st_size // 2)
                byte = content.read(1)
                content.seek(-1, os.SEEK_CUR)
                content.write(bytes([byte[0] ^ 0xFF]))
        case "truncated":
            os.truncate(file, file.stat().st_size // 2)
        case _:
            file.unlink()


@pytest.mark.parametrize("how", ["a byte", "truncated", "gone"])
@pytest.mark.parametrize("is_changed", [True, False], ids=["as the marts change", "as nothing changes"])
def test_no_damaged_file_is_carried_over(marts, bi_dir, caplog, how, is_changed):
    publish(marts, bi_dir)
    folder = current_snapshot(bi_dir).directory
    for name in NAMES:
        damage(folder / "parquet" / f"{name}.parquet", how)
    if is_changed:
        with open_marts(marts) as connection:
            connection.execute("UPDATE mart.dim_enterprises SET enterprise_name = 'New ' || enterprise_name")
    published = publish(marts, bi_dir)

    assert set(published.rewritten) == NAMES
    assert check_whole(published.snapshot) == 1
    for name in NAMES:
        assert rows_of_file(bi_dir, name) == rows_of_view(bi_dir, name)
    assert "fct_product_service_orders.parquet is missing or damaged and is written again" in caplog.text


def test_a_damaged_database_is_not_taken_for_what_was_published(marts, bi_dir):
    publish(marts, bi_dir)
    damage(current_snapshot(bi_dir).database, "a byte")
    published = publish(marts, bi_dir)
    assert published.is_new
    assert check_whole(published.snapshot) == 1


def test_a_change_of_a_private_table_is_seen_in_the_view_over_it_alone(marts, bi_dir):
    publish(marts, bi_dir)
    with open_marts(marts) as connection:
        connection.execute("UPDATE internal.cancellation_curve_runs SET canceled_by_then = canceled_by_then + 1")
    assert publish(marts, bi_dir).rewritten == ("agg_cancellation_curve",)


def test_views_are_written_anew_where_their_definition_changed(marts, bi_dir):
    publish(marts, bi_dir)
    with open_marts(marts) as connection:
        connection.execute("UPDATE internal.marts_definition SET definition_digest = 'another'")
    assert set(publish(marts, bi_dir).rewritten) == {"agg_cancellation_curve", "rpt_orders"}


def test_the_same_rows_in_another_order_are_no_change(marts, bi_dir):
    publish(marts, bi_dir)
    with open_marts(marts) as connection:
        connection.execute("CREATE TEMP TABLE turned AS FROM mart.dim_services ORDER BY service_id DESC")
        connection.execute("DELETE FROM mart.dim_services; INSERT INTO mart.dim_services FROM turned")

    assert not publish(marts, bi_dir).is_new


def test_where_nothing_changed_the_version_before_stays_current(marts, bi_dir):
    first = publish(marts, bi_dir)
    second = publish(marts, bi_dir)

    assert not second.is_new
    assert second.rewritten == ()
    assert second.snapshot == first.snapshot
    assert [path.name for path in (bi_dir / "versions").iterdir() if path.name != ".lock"] == [
        first.snapshot.directory.name
    ]


def test_a_changed_comment_alone_is_published(marts, bi_dir):
    publish(marts, bi_dir)
    with open_marts(marts) as connection:
        connection.execute("COMMENT ON COLUMN mart.dim_dates.year IS 'Another year'")
    published = publish(marts, bi_dir)

    assert published.is_new
    assert published.rewritten == ()
    with duckdb.connect(str(published.snapshot.database), read_only=True) as connection:
        comments = connection.execute("SELECT comment FROM duckdb_columns() WHERE column_name = 'year'").fetchall()
    assert comments == [("Another year",)]


def test_what_was_damaged_is_published_anew(marts, bi_dir):
    damaged = publish(marts, bi_dir).snapshot
    (damaged.directory / "parquet" / "dim_dates.parquet").unlink()
    published = publish(marts, bi_dir)

    assert published.is_new
    assert published.rewritten == ("dim_dates",)
    assert check_whole(published.snapshot) == 1


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
    assert len(files) == len(NAMES) + 2
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
