import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from pso_pipeline.bi.errors import MartsBusy, MartsUnusable, SnapshotBusy, SnapshotNotWritten
from pso_pipeline.bi.folder import current_snapshot
from pso_pipeline.bi.snapshot import publish
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.bi.generations import check_whole, open_marts, write_generation


@pytest.fixture
def published(generations, marts, bi_dir):
    """The folder with generation 1 published and generation 2 ready."""
    publish(marts, bi_dir)
    shutil.copy(generations[2], marts)
    return bi_dir


def check_untouched(bi_dir: Path) -> None:
    assert check_whole(current_snapshot(bi_dir)) == 1
    assert not (bi_dir / "versions" / ".building").exists()
    assert len([path for path in (bi_dir / "versions").iterdir() if path.name != ".lock"]) == 1


@contextlib.contextmanager
def stranger(marts, read_only):
    """Another process that holds the marts file, as a DuckDB shell does."""
    code = (
        f"import duckdb; c = duckdb.connect({str(marts)!r}, read_only={read_only}); print('open', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"open\n"
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait()


def test_no_marts(tmp_path, bi_dir):
    with pytest.raises(MartsUnusable, match=r"no marts at .*absent: run a refresh first"):
        publish(tmp_path / "absent", bi_dir)
    assert not (tmp_path / "absent").exists()


def test_a_file_that_is_not_duckdb(tmp_path, bi_dir):
    (tmp_path / "marts").write_text("hello, this is no database" * 1000)
    with pytest.raises(MartsUnusable, match=r"marts cannot be opened: .*not a valid DuckDB"):
        publish(tmp_path / "marts", bi_dir)


@pytest.mark.parametrize("table", ["TABLE mart.dim_dates", "VIEW mart.rpt_orders", "TABLE mart.dim_services"])
def test_marts_that_lack_a_table(published, marts, table):
    with duckdb.connect(str(marts)) as connection:
        connection.execute(f"DROP {table}")
    with pytest.raises(MartsUnusable, match=f"{marts} does not hold all marts"):
        publish(marts, published)
    check_untouched(published)


def test_marts_that_are_being_made_again_are_never_published_half_filled(published, marts):
    with duckdb.connect(str(marts)) as connection:
        connection.execute("DELETE FROM mart.fct_product_service_orders")
        connection.execute("UPDATE internal.marts_origin SET is_complete = FALSE")
    with pytest.raises(MartsUnusable, match=f"{marts} does not hold every hotel yet"):
        publish(marts, published)
    check_untouched(published)


def test_damaged_marts_are_named(published, marts):
    size = marts.stat().st_size
    with marts.open("r+b") as file:
        for place in range(size // 2, size, 1000):
            file.seek(place)
            file.write(b"x")
    with pytest.raises(MartsUnusable, match=rf"^{marts} (is damaged|cannot be opened).*Corrupt"):
        publish(marts, published)
    check_untouched(published)


def test_a_storage_format_that_bi_tools_cannot_read(marts, published, tmp_path):
    newer = tmp_path / "newer.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{marts}' AS marts; ATTACH '{newer}' AS newer (STORAGE_VERSION 'v1.5.0')")
        connection.execute("COPY FROM DATABASE marts TO newer")
    with pytest.raises(MartsUnusable, match=r"storage format v1\.5\.0"):
        publish(newer, published)
    check_untouched(published)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_stranger_who_does_not_let_go_is_named(marts, published, read_only):
    with stranger(marts, read_only) as process:
        with pytest.raises(MartsBusy, match=f"held by another program: .*PID {process.pid}"):
            publish(marts, published, wait_seconds=0.05)
        check_untouched(published)


def test_a_stranger_who_lets_go_is_waited_for(marts, published):
    with stranger(marts, read_only=True) as process:
        release = threading.Timer(0.1, process.stdin.close)
        release.start()
        publish(marts, published, wait_seconds=60)
        release.join()
    assert check_whole(current_snapshot(published)) == 2


def test_a_connection_of_this_process_is_refused_and_keeps_its_lock(marts, published):
    with duckdb.connect(str(marts)) as connection:
        with pytest.raises(MartsBusy, match="open in this process itself"):
            publish(marts, published)
        other = subprocess.run(
            [sys.executable, "-c", f"import duckdb; duckdb.connect({str(marts)!r})"],
            stderr=subprocess.PIPE,
            check=False,
        )
        assert b"Could not set lock" in other.stderr
        connection.execute("FROM mart.dim_dates")
    check_untouched(published)


def test_marts_attached_in_this_process_are_refused(marts, published):
    with open_marts(marts), pytest.raises(MartsBusy, match="open in this process itself"):
        publish(marts, published)
    check_untouched(published)


def test_the_marts_are_released_before_parquet_is_written(marts, bi_dir):
    events: list[object] = []

    class Lock:
        def __enter__(self):
            events.append("taken")

        def __exit__(self, *_):
            events.append(sorted(path.name for path in (bi_dir / "versions" / ".building").iterdir()))

    publish(marts, bi_dir, marts_lock=Lock())
    assert events == ["taken", ["pso_bi.duckdb"]]


def test_the_writers_lock_of_the_warehouse_fits(tmp_path, bi_dir):
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    write_generation(warehouse.marts_path, 1)
    publish(warehouse.marts_path, bi_dir, marts_lock=warehouse.hold())
    assert check_whole(current_snapshot(bi_dir)) == 1


def test_another_publication_is_waited_for_and_then_named(marts, published):
    lock = published / "versions" / ".lock"
    with FileLock(lock), pytest.raises(SnapshotBusy, match=f"it holds {lock}"):
        publish(marts, published, wait_seconds=0.05)
    check_untouched(published)


def test_publications_at_once_wait_for_each_other(marts, bi_dir, tmp_path):
    other = tmp_path / "other.duckdb"
    shutil.copy(marts, other)
    failures = []

    def work(path):
        try:
            for _ in range(3):
                publish(path, bi_dir)
        except Exception as error:  # noqa: BLE001 a thread's failure must reach the test whatever it is
            failures.append(error)

    threads = [threading.Thread(target=work, args=(path,)) for path in (marts, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert check_whole(current_snapshot(bi_dir)) == 1


@pytest.mark.parametrize("name", ["pso_bi.duckdb", "parquet", "manifest.json", "current"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_in_the_way_is_named_and_left(marts, bi_dir, name, kind):
    bi_dir.mkdir()
    (bi_dir / name).write_text("mine") if kind == "file" else (bi_dir / name).mkdir()
    with pytest.raises(SnapshotNotWritten, match=f"{bi_dir / name} is in the way"):
        publish(marts, bi_dir)
    assert {path.name for path in bi_dir.iterdir()} == {name, "versions"}
    assert (bi_dir / name).is_dir() if kind == "folder" else (bi_dir / name).read_text() == "mine"


def test_a_folder_that_cannot_be_made(marts, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotNotWritten, match=f"nothing was published in {tmp_path}/file/bi.*Not a directory"):
        publish(marts, tmp_path / "file" / "bi")


@pytest.fixture
def unprivileged():
    """Lay down root's rights for a block, where the tests run as root; a folder of nobody's, which it can enter."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    nobody = 65534

    @contextlib.contextmanager
    def as_nobody():
        if is_root:
            os.seteuid(nobody)
        try:
            yield
        finally:
            os.seteuid(os.getuid())

    if is_root:
        os.chown(folder, nobody, nobody)
    yield folder, as_nobody
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("closed", ["bi", "bi/versions", "."])
def test_no_permission(unprivileged, closed):
    folder, as_nobody = unprivileged
    marts, bi_dir = folder / "marts" / "marts.duckdb", folder / "bi"
    with as_nobody():
        marts.parent.mkdir()
        write_generation(marts, 1)
        if closed != ".":
            publish(marts, bi_dir)
        (folder / closed).chmod(0o555)
        write_generation(marts, 2)
        with pytest.raises(
            SnapshotNotWritten, match=f"nothing was published in {bi_dir}.*Permission denied: '{folder}"
        ):
            publish(marts, bi_dir)
        (folder / closed).chmod(0o755)
        if closed != ".":
            check_untouched(bi_dir)
        assert check_whole(publish(marts, bi_dir).snapshot) == 2


def test_nobody_else_can_open_a_snapshot_for_writing(unprivileged):
    folder, as_nobody = unprivileged
    marts, bi_dir = folder / "marts.duckdb", folder / "bi"
    with as_nobody():
        write_generation(marts, 1)
        publish(marts, bi_dir)
        with pytest.raises(duckdb.IOException, match="Permission denied"):
            duckdb.connect(str(bi_dir / "pso_bi.duckdb"))
        duckdb.connect(str(bi_dir / "pso_bi.duckdb"), read_only=True).close()


@contextlib.contextmanager
def largest_file(size):
    """Imitate a full disk: a write that would make a file larger than `size` bytes fails midway."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_while_the_marts_are_copied(marts, published):
    with (
        largest_file(marts.stat().st_size // 2),
        pytest.raises(SnapshotNotWritten, match=f"nothing was published in {published}.*stays: .*File too large"),
    ):
        publish(marts, published)
    check_untouched(published)
    assert check_whole(publish(marts, published).snapshot) == 2


def test_a_full_disk_while_parquet_is_written(marts, published):
    with contextlib.ExitStack() as stack:
        lock = contextlib.ExitStack()
        lock.callback(lambda: stack.enter_context(largest_file(1000)))
        with pytest.raises(SnapshotNotWritten, match=f"nothing was published in {published}.*stays: .*File too large"):
            publish(marts, published, marts_lock=lock)
    check_untouched(published)
    assert check_whole(publish(marts, published).snapshot) == 2
