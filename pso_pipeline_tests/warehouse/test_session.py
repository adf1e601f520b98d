"""Who can open the warehouse, and what the error names if that fails: the path, the holder, what to do."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from pso_pipeline.warehouse import session
from pso_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged, WarehouseUnusable
from pso_pipeline.warehouse.landing.records import land_records
from pso_pipeline.warehouse.marts.derive import create_marts
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.warehouse.files import old_database
from pso_pipeline_tests.warehouse.test_landing import landing, order

HOLD_FILE = """
import duckdb, sys
with duckdb.connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.readline()
"""
HOLD_LOCK = """
import sys
from pso_pipeline.warehouse.session import Warehouse
with Warehouse(sys.argv[1]).hold():
    print("open", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def another_process(script, location):
    """A process that holds the warehouse until the block ends or its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(location)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert next(iter(process.stdout or ())) == "open\n"
        try:
            yield process
        finally:
            process.communicate("go\n")


def count(warehouse):
    with warehouse.open() as connection:
        return connection.execute("SELECT count(*) FROM mews.product_service_orders").fetchone()[0]


@pytest.mark.parametrize("script", [HOLD_FILE, HOLD_LOCK], ids=["a stranger", "one of ours"])
def test_a_busy_warehouse_names_who_holds_it_and_opens_when_that_lets_go(warehouse, script):
    count(warehouse)
    impatient = replace(warehouse, wait_seconds=0.2)
    with another_process(script, warehouse.location) as holder:
        with pytest.raises(WarehouseBusy, match=rf"PID {holder.pid}\b") as caught:
            count(impatient)
        assert "\n" not in str(caught.value)
    assert count(impatient) == 0


def test_a_busy_warehouse_is_waited_for(warehouse):
    count(warehouse)
    with another_process(HOLD_FILE, warehouse.location) as holder:
        holder.stdin.write("go\n")
        holder.stdin.flush()
        assert count(warehouse) == 0


@pytest.mark.parametrize("wrong", ["SELECT nothing", "BEGIN; SELECT nothing"], ids=["a statement", "a transaction"])
def test_the_files_are_let_go_where_something_fails(warehouse, wrong):
    with pytest.raises(duckdb.BinderException), warehouse.open() as connection:
        connection.execute(wrong)
    with another_process(HOLD_FILE, warehouse.location):
        pass
    assert count(warehouse) == 0


def test_a_full_disk_when_the_files_are_closed_loses_nothing(warehouse):
    count(warehouse)
    with contextlib.ExitStack() as full:
        with warehouse.open() as connection:
            land_records(connection, landing(*(order(f"o{number}") for number in range(500))))
            full.enter_context(largest_file(Path(warehouse.location).stat().st_size))
        assert Path(f"{warehouse.location}.wal").exists()
    assert count(warehouse) == 500
    assert not Path(f"{warehouse.location}.wal").exists()


def test_a_commit_does_not_write_the_log_into_the_file(warehouse):
    """Where that ran out of memory, DuckDB would take the commit and the database with it."""
    log = Path(f"{warehouse.marts_path}.wal")
    with warehouse.open() as connection:
        connection.execute("CREATE TABLE mart.many AS SELECT range AS number FROM range(1_500_000)")
        connection.execute("UPDATE mart.many SET number = number + 1")
        assert log.stat().st_size > 2**24, "of as much DuckDB would rid itself"
    assert not log.exists()


def test_a_warehouse_that_was_made_in_an_older_format_is_used_on(warehouse):
    storage = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'warehouse'"
    with old_database(warehouse.location) as connection:
        assert connection.execute(storage).fetchone() == ("v1.0.0+",)
    for landed in range(2):
        with warehouse.open() as connection:
            assert connection.execute(storage).fetchone() == ("v1.3.0+",)
            land_records(connection, landing(order(f"o{landed}")))
    assert count(warehouse) == 2


@contextlib.contextmanager
def largest_file(size):
    """Imitate a full disk: a write that would make a file larger than `size` bytes fails midway."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1_000, 600_000])
def test_a_full_disk_names_the_file_and_loses_nothing_that_was_landed(warehouse, room):
    with warehouse.open() as connection:
        land_records(connection, landing(order("first")))
    size = Path(warehouse.location).stat().st_size
    more = [order(f"o{number}", extra=f'{{"a":"{os.urandom(64).hex()}"}}') for number in range(20_000)]
    with (
        largest_file(size + room),
        pytest.raises(WarehouseUnusable, match="make room") as caught,
        warehouse.open() as c,
    ):
        land_records(c, landing(*more))
    assert warehouse.location in str(caught.value)
    assert "\n" not in str(caught.value)
    assert count(warehouse) == 1
    with warehouse.open() as connection:
        land_records(connection, landing(*more))
    assert count(warehouse) == 20_001


@pytest.mark.parametrize("room", [0, 8_192])
def test_a_full_disk_while_the_warehouse_is_made(warehouse, room):
    with largest_file(room), pytest.raises(WarehouseUnusable, match="warehouse"), warehouse.open():
        pass
    assert count(warehouse) == 0


@pytest.fixture
def unprivileged():
    """A folder outside of any that only root may pass, and what makes this process nobody: root may write anywhere."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    is_root = os.getuid() == 0

    @contextlib.contextmanager
    def as_nobody():
        if is_root:
            os.seteuid(65_534)
        try:
            yield
        finally:
            os.seteuid(os.getuid())

    yield folder, as_nobody
    shutil.rmtree(folder)


def test_no_permission_names_the_path(warehouse, unprivileged):
    folder, as_nobody = unprivileged
    there = replace(warehouse, location=str(folder / "warehouse.duckdb"))
    count(there)
    (folder / "warehouse.duckdb").chmod(0o400)
    (folder / "warehouse.marts.duckdb.lock").chmod(0o666)
    with (
        as_nobody(),
        pytest.raises(WarehouseUnusable, match=rf"{folder}/warehouse.duckdb cannot be opened: .*ermission"),
    ):
        count(there)
    folder.chmod(0o555)
    elsewhere = replace(warehouse, location=str(folder / "deeper" / "warehouse.duckdb"))
    with as_nobody(), pytest.raises(WarehouseUnusable, match=rf"{folder}/deeper.*Permission denied"):
        count(elsewhere)
    folder.chmod(0o755)


def truncated(share):
    def damage(path):
        os.truncate(path, int(path.stat().st_size * share))

    return damage


def altered(share):
    def damage(path):
        with path.open("r+b") as file:
            file.seek(int(path.stat().st_size * share))
            content = file.read(4000)
            file.seek(-len(content), os.SEEK_CUR)
            file.write(bytes(byte ^ 0xFF for byte in content))

    return damage


DAMAGES = {
    "truncated to a half": truncated(0.5),
    "truncated to its head": truncated(0.02),
    "truncated by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "altered near its beginning": altered(0.3),
    "altered in the middle": altered(0.6),
    "altered near its end": altered(0.9),
    "empty": truncated(0),
    "no database": lambda path: path.write_text("no database " * 10_000),
}


@pytest.fixture
def filled(warehouse):
    """A warehouse and marts of several blocks each."""
    with warehouse.open() as connection:
        create_marts(connection)
        rows = [order(f"o{number}", extra=f'{{"a":"{os.urandom(64).hex()}"}}') for number in range(10_000)]
        land_records(connection, landing(*rows))
        connection.execute(
            "INSERT INTO mart.fct_product_service_orders (order_id, account_id)"
            " SELECT md5(range::VARCHAR), md5((range + 1)::VARCHAR) FROM range(30_000)"
        )
    return warehouse


def read_and_write(warehouse):
    with warehouse.open() as connection:
        warehouse.verify(connection)
        create_marts(connection)
        connection.execute("INSERT INTO mart.fct_product_service_orders (order_id) VALUES ('another')")
        land_records(connection, landing(order("another")))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_warehouse_is_named_and_left(filled, damage):
    DAMAGES[damage](Path(filled.location))
    content = Path(filled.location).read_bytes()
    with pytest.raises(
        WarehouseDamaged, match=f"^{filled.location} is damaged, .*; restore it from a backup"
    ) as caught:
        read_and_write(filled)
    assert "\n" not in str(caught.value)
    assert "room" not in str(caught.value)
    assert Path(filled.location).read_bytes() == content
    assert filled.marts_path.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_marts_are_made_again_and_the_warehouse_is_left(filled, damage):
    DAMAGES[damage](filled.marts_path)
    with contextlib.suppress(WarehouseDamaged):
        read_and_write(filled)
    read_and_write(filled)
    assert count(filled) == 10_001
    with filled.open() as connection:
        (rows,) = connection.execute("SELECT count(*) FROM mart.fct_product_service_orders").fetchall()[0]
        if rows > 2:
            # the altered byte was in a part of the file that holds nothing
            assert rows == 30_002
            filled.verify(connection)


def test_marts_that_turn_out_to_be_damaged_are_named_and_removed(filled):
    altered(0.6)(filled.marts_path)
    with pytest.raises(
        WarehouseDamaged, match=f"^{filled.marts_path} was damaged and is removed .* next refresh makes"
    ):
        read_and_write(filled)
    assert not filled.marts_path.exists()


def test_what_is_not_damaged_is_verified(filled):
    with filled.open() as connection:
        filled.verify(connection)
    read_and_write(filled)


def test_a_file_that_duckdb_has_cut_free_blocks_off_is_opened_without_reading_it_all(filled, monkeypatch):
    path = Path(filled.location)
    before = path.stat().st_size
    for statement in ("CREATE TABLE passing AS SELECT hash(range) FROM range(1_000_000)", "DROP TABLE passing"):
        with filled.open() as connection:
            connection.execute(statement)
    with filled.open() as connection:
        sizes = "SELECT block_size * total_blocks FROM pragma_database_size() WHERE database_name = 'warehouse'"
        (counted,) = connection.execute(sizes).fetchall()[0]
    assert before <= path.stat().st_size < counted
    monkeypatch.setattr(session, "_read_all", lambda *_: pytest.fail("all of it is read"))
    with filled.open() as connection:
        create_marts(connection)


def test_an_error_of_a_statement_is_not_taken_for_a_full_disk(warehouse):
    with pytest.raises(duckdb.CatalogException), warehouse.open() as connection:
        connection.execute("SELECT * FROM no_such_table")


def test_two_warehouses_in_one_folder_never_share_their_marts(tmp_path):
    names = ("w", "w.db", "w.duckdb", "w.ddb", "w.db.duckdb", "w.old.duckdb")
    locations = [str(tmp_path / name) for name in names] + [f"ducklake:{tmp_path / 'w.ducklake'}"]
    marts = {Warehouse(location).marts_path for location in locations}
    assert len(marts) == len(locations)
    assert tmp_path / "w.marts.duckdb" == Warehouse(str(tmp_path / "w.duckdb")).marts_path
