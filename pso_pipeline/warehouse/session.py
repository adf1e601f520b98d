"""How DuckDB is opened, and the warehouse with it: by one process at a time, briefly, waiting in line.

Holds `open_duckdb`, which every connection of the package comes from, and the paths, the lock and the attaching of the
two databases: `warehouse` (landed rows, schema `mews`) and `marts` (computed tables, schema `mart`, a file of its own
so that publishing is a byte copy). Statements about tables stay out.
"""

import contextlib
import importlib.resources
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
from filelock import FileLock, Timeout
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from pso_pipeline.contract.endpoints import ENDPOINTS, Endpoint
from pso_pipeline.settings import DUCKLAKE_PREFIX, MemorySettings, is_this_machine, page
from pso_pipeline.warehouse.copies import copy_before_migration
from pso_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged, WarehouseUnusable, is_damage
from pso_pipeline.warehouse.schema import SCHEMA_VERSION, prepare, read_version
from pso_pipeline.warehouse.sql import first_row, literal

LONGEST_WAIT_SECONDS = 900.0
"""How long to wait for a warehouse that somebody else holds; an analyst's query in a DuckDB shell takes minutes."""

WAREHOUSE_STORAGE = "v1.3.0"
"""Format of the warehouse's file: the first one that compresses all texts well. Other programs read the snapshot."""

MARTS_STORAGE = "v1.0.0"
"""Format of the marts' file: files of newer ones would not open in the DuckDB 1.0 drivers that BI tools ship."""

RESTORE = f"restore it from a backup ({page('runbook.md')}), or move it away, and everything is read again from the API"
"""What to do about a damaged warehouse."""

FILE_HEADER_BYTES = 3 * 4096
"""What is in a DuckDB file before its first block."""

logger = logging.getLogger(__name__)


Connect = Callable[[Mapping[str, Any]], contextlib.AbstractContextManager[duckdb.DuckDBPyConnection]]
"""Opens a database in memory with a configuration of DuckDB."""


def open_in_memory(config: Mapping[str, Any]) -> contextlib.AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open a database in memory; it is closed at the end of the block."""
    return duckdb.connect(config=dict(config))


@contextlib.contextmanager
def open_duckdb(
    database: str | Path = ":memory:",
    *,
    spill: Path,
    read_only: bool = False,
    threads: int | None = None,
    connect: Connect | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB database, and close it at the end of the block.

    DuckDB holds no more than `PSO_MEMORY_LIMIT` in memory and writes the rest into the folder `spill`, which it makes
    and removes. It works with `threads` threads, by default with as many as the machine has cores. `connect` opens a
    database in memory in its own way.

    Raises:
        SettingsError: `PSO_MEMORY_LIMIT` is malformed.
    """
    config: dict[str, Any] = {"memory_limit": MemorySettings.load().memory_limit, "temp_directory": str(spill)}
    if threads is not None:
        config["threads"] = threads
    opened = connect(config) if connect else duckdb.connect(str(database), read_only=read_only, config=config)
    # dagster-duckdb's context manager leaves the connection open where the block raises
    with opened as connection, contextlib.closing(connection):
        yield connection


class _NoDataPath(WarehouseUnusable):
    """The catalogue's database holds no DuckLake yet, so nobody has said where its data files go."""


_NO_DATA_PATH = "data_path is not set"
_PASSWORD = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)|(//[^/:@\s]*:)[^@\s]*(?=@)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The warehouse at `location`: a DuckDB file or `ducklake:…`, with the marts file beside it.

    `source` is the address of the API that fills it; a warehouse filled from a loopback address (the sandbox) refuses
    any other, and the other way round. `connect` opens the database in memory to which the two are attached; Dagster
    passes dagster-duckdb's. `endpoints` are those whose tables it has.
    """

    location: str = field(repr=False)
    source: str | None = None
    wait_seconds: float = LONGEST_WAIT_SECONDS
    connect: Connect = open_in_memory
    endpoints: tuple[Endpoint, ...] = ENDPOINTS
    marts_path: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marts_path", _marts_path(self.location))

    @property
    def lock_path(self) -> Path:
        """The file whose lock decides who may open the warehouse; it holds the PID of who does, or did last."""
        return self.marts_path.with_name(self.marts_path.name + ".lock")

    @property
    def is_ducklake(self) -> bool:
        """Whether orders land in a DuckLake instead of a file."""
        return self.location.startswith(DUCKLAKE_PREFIX)

    @property
    def shown_location(self) -> str:
        """The location without the password of a catalogue's database, for people."""
        return _without_passwords(self.location)

    @property
    def exists(self) -> bool:
        """Whether something has landed here before."""
        return self.is_ducklake or Path(self.location).exists()

    @contextlib.contextmanager
    def open(self, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the warehouse for the length of the block: tables present and migrated, `mews.x` and `mart.x` resolve.

        `threads` as in `open_duckdb`.

        Raises:
            WarehouseBusy: Somebody else held it for longer than `wait_seconds`; the message names the holder.
            WarehouseUnusable: The path cannot be opened, or not be written: no permission, no room.
            WarehouseTooNew: It was made by a newer version of the package.
            WarehouseMixed: It holds data of another kind of source.
            SettingsError: `PSO_MEMORY_LIMIT` is malformed.
        """
        with self.hold(), self.open_held(threads) as connection:
            yield connection

    @contextlib.contextmanager
    def open_held(self, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse as `open` does, within a block of `hold`."""
        spill = self.marts_path.with_name(f"{self.marts_path.name}.spill")
        with private_files(), open_duckdb(spill=spill, threads=threads, connect=self.connect) as connection:
            try:
                self._attach(connection)
                self._copy_before_migration(connection)
                prepare(connection, source_kind(self.source) if self.source else None, self.endpoints)
                yield connection
            except duckdb.Error as error:
                if is_damage(error):
                    _detach(connection)
                    self._name_damage(connection, error)
                if isinstance(error, duckdb.OutOfMemoryException):
                    raise WarehouseUnusable(
                        f"{self.shown_location}: DuckDB ran out of memory: {_first_line(error)} (set a higher "
                        "PSO_MEMORY_LIMIT, or make room on the disk; what was not committed will be read again)"
                    ) from None
                if not isinstance(error, _UNWRITABLE):
                    raise
                raise WarehouseUnusable(
                    f"{self.shown_location} could not be written: {_first_line(error)} "
                    "(make room where it is missing; what was not committed will be read again)"
                ) from None
            finally:
                _detach(connection)

    def _copy_before_migration(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep a copy of a file whose tables are of an older version; a DuckLake keeps its own snapshots."""
        version = read_version(connection)
        if self.is_ducklake or version is None or version >= SCHEMA_VERSION:
            return
        # closed meanwhile: closing another handle of the same file would end DuckDB's lock on it
        _detach(connection)
        copy = copy_before_migration(Path(self.location), version)
        logger.warning("the tables of %s are migrated from version %d; it is kept as %s", self.location, version, copy)
        self._attach(connection)

    def verify(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read all that is stored in the files, on a connection that `open` gave: DuckDB compares their checksums.

        Raises:
            duckdb.Error: A file is damaged; `open` then names it.
        """
        for name in ("warehouse", "marts"):
            if name == "marts" or not self.is_ducklake:
                _read_all(connection, name)

    def _name_damage(self, connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> None:
        """Find out which file is damaged; return where none is. Damaged marts are removed, and are derived again.

        Raises:
            WarehouseDamaged: One is.
        """
        if self.marts_path.exists() and self._is_damaged(connection, self.marts_path, MARTS_STORAGE):
            self._remove_marts()
            raise WarehouseDamaged(
                f"{self.marts_path} was damaged and is removed ({_first_line(error)}): it is made from the warehouse, "
                "and the next refresh makes it again"
            )
        if self.is_ducklake or not self._is_damaged(connection, Path(self.location), WAREHOUSE_STORAGE):
            return
        raise WarehouseDamaged(f"{_described_damage(self.location, error)}; {RESTORE}")

    def _is_damaged(self, connection: duckdb.DuckDBPyConnection, path: Path, storage: str) -> bool:
        try:
            self._attach_file(connection, path, "suspected", storage)
            _read_all(connection, "suspected")
        except WarehouseDamaged:
            return True
        except duckdb.Error as error:
            return is_damage(error)
        finally:
            _detach_file(connection, "suspected")
        return False

    def _remove_marts(self) -> None:
        for path in (self.marts_path, self.marts_path.with_name(f"{self.marts_path.name}.wal")):
            path.unlink(missing_ok=True)

    def discard_marts(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Remove the marts' file and make an empty one, so that no byte of what it held stays."""
        _detach_file(connection, "marts")
        with _naming(self.marts_path):
            for path in (self.marts_path, self.marts_path.with_name(f"{self.marts_path.name}.wal")):
                path.unlink(missing_ok=True)
        self._attach_marts(connection)

    def hold(self) -> contextlib.AbstractContextManager[None]:
        """Keep everybody else from opening the warehouse and the marts, for the length of the block.

        Raises:
            WarehouseBusy: Another process of ours held them for longer than `wait_seconds`; the message names it.
            WarehouseUnusable: The folder cannot be made or written.
        """
        return _locked(self.lock_path, self.wait_seconds)

    def resyncing(self) -> contextlib.AbstractContextManager[None]:
        """Keep other full resyncs of this warehouse waiting, for the length of the block; all else goes on.

        Two of them would each forget what the other one met. Raises as `hold` does.
        """
        return _locked(self.marts_path.with_name(self.marts_path.name + ".resync.lock"), self.wait_seconds)

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("SET TimeZone = 'UTC'")
        # the log is written into the file when that is closed: where memory or disk does not suffice for it within a
        # commit, DuckDB makes the database unusable
        connection.execute("SET checkpoint_threshold = '1TB'")
        if self.is_ducklake:
            _load_ducklake(connection)
            self._attach_ducklake(connection)
        else:
            try:
                self._attach_file(connection, Path(self.location), "warehouse", WAREHOUSE_STORAGE)
            except WarehouseDamaged as error:
                raise WarehouseDamaged(f"{error}; {RESTORE}") from None
        connection.execute("CREATE SCHEMA IF NOT EXISTS warehouse.mews")
        self._attach_marts(connection)

    def _attach_marts(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            self._attach_file(connection, self.marts_path, "marts", MARTS_STORAGE)
        except WarehouseDamaged as error:
            logger.warning("the marts are made again from the warehouse: %s", error)
            self._remove_marts()
            self._attach_file(connection, self.marts_path, "marts", MARTS_STORAGE)
        connection.execute("CREATE SCHEMA IF NOT EXISTS marts.mart")
        connection.execute("SET search_path = 'warehouse.mews,marts.mart'")

    def _attach_ducklake(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            self._attach_when_free(connection, self.location, "warehouse")
        except _NoDataPath:
            data_path = f"{self.marts_path.with_name('ducklake.files')}/"
            self._attach_when_free(connection, self.location, "warehouse", f"(DATA_PATH {literal(data_path)})")

    def _attach_file(self, connection: duckdb.DuckDBPyConnection, path: Path, name: str, storage: str) -> None:
        options = f"(STORAGE_VERSION {literal(storage)})"
        if not path.exists():
            self._make_file(connection, path, options)
        has_log = path.with_name(f"{path.name}.wal").exists()
        self._attach_when_free(connection, str(path), name, options)
        if not has_log and _is_truncated(connection, name, path):
            try:
                _read_all(connection, name)
            except duckdb.Error as error:
                _detach_file(connection, name)
                raise WarehouseDamaged(_described_damage(str(path), error)) from None

    def _make_file(self, connection: duckdb.DuckDBPyConnection, path: Path, options: str) -> None:
        """Make a database file under another name first: a process killed midway leaves one that DuckDB refuses."""
        fresh = path.with_name(path.name + ".new")
        with _naming(path):
            for left_over in (fresh, fresh.with_name(fresh.name + ".wal")):
                left_over.unlink(missing_ok=True)
            connection.execute(f"ATTACH {literal(str(fresh))} AS fresh {options}")
            connection.execute("DETACH fresh")
            fresh.replace(path)

    def _attach_when_free(self, connection: duckdb.DuckDBPyConnection, path: str, name: str, options: str = "") -> None:
        try:
            for attempt in Retrying(
                retry=retry_if_exception(_is_held_elsewhere),
                wait=wait_random_exponential(multiplier=0.1, max=5),
                stop=stop_after_delay(self.wait_seconds),
            ):
                with attempt, _naming(path):
                    connection.execute(f"ATTACH {literal(path)} AS {name} {options}")
        except RetryError as error:
            raise WarehouseBusy(
                f"{_without_passwords(path)} has been held by another program for more than "
                f"{self.wait_seconds:.0f} s, close it there: "
                f"{_first_line(error.last_attempt.exception())}"
            ) from None


_UNWRITABLE = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException, duckdb.FatalException)
"""What DuckDB raises when a file or memory cannot grow: in a statement, in a commit, or for good."""


@contextlib.contextmanager
def _locked(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold a lock between processes, for the length of the block; it ends with the process, however that ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=wait_seconds)
        lock.acquire()
    except Timeout:
        raise WarehouseBusy(
            f"another pso_pipeline process{_holder(path)} has held {path} for more than {wait_seconds:.0f} s: "
            "wait until it ends, or end it"
        ) from None
    except OSError as error:
        raise WarehouseUnusable(f"{path} cannot be locked: {error.strerror or error}") from None
    try:
        with contextlib.suppress(OSError):
            path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()


def _is_truncated(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> bool:
    """Return whether a file is shorter than the blocks that DuckDB counts in it; some of them may be free."""
    row = first_row(
        connection,
        "SELECT block_size * total_blocks + $header FROM pragma_database_size() WHERE database_name = $name",
        {"name": name, "header": FILE_HEADER_BYTES},
    )
    return row is not None and path.stat().st_size < row[0]


def _read_all(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Read every table of an attached database, of each the columns one after the other."""
    columns = connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() INNER JOIN duckdb_tables()"
        " USING (database_name, schema_name, table_name) WHERE database_name = $name",
        {"name": name},
    ).fetchall()
    for schema, table, column in columns:
        # names cannot be bound; these are of our own tables
        query = f'SELECT bit_xor(hash("{column}")) FROM {name}."{schema}"."{table}"'  # noqa: S608
        connection.execute(query).fetchall()


def _described_damage(path: str, error: BaseException) -> str:
    return f"{path} is damaged, or no DuckDB file: {_first_line(error)}"


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Let nobody else read files that are made within the block, also those that DuckDB makes: logs and what it spills.

    The mask is the whole process's; blocks of one process do not overlap, since each holds the warehouse.
    """
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)


def _detach(connection: duckdb.DuckDBPyConnection) -> None:
    """Close both files, whose logs are then written into them."""
    with contextlib.suppress(duckdb.Error):  # nothing to roll back
        connection.rollback()
    for name in ("marts", "warehouse"):
        _detach_file(connection, name)


def _detach_file(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Close a file; where its log cannot be written to it, that stays beside it, and the next opening goes on there."""
    with contextlib.suppress(duckdb.Error):
        connection.execute("USE memory")
        connection.execute(f"DETACH DATABASE IF EXISTS {name}")


def _holder(path: Path) -> str:
    try:
        return f" (PID {int(path.read_text(encoding='ascii'))})"
    except (OSError, ValueError):
        return ""


@contextlib.contextmanager
def _naming(path: object) -> Iterator[None]:
    """Let whatever goes wrong with a file name it, save that another process holds it."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        if _is_held_elsewhere(error):
            raise
        said = _first_line(error)
        if is_damage(error):
            raise WarehouseDamaged(_described_damage(_without_passwords(str(path)), error)) from None
        kind = _NoDataPath if _NO_DATA_PATH in said else WarehouseUnusable
        raise kind(f"{_without_passwords(str(path))} cannot be opened: {said}") from None


def _first_line(error: BaseException | None) -> str:
    return _without_passwords(str(error).splitlines()[0])


def _without_passwords(text: str) -> str:
    return _PASSWORD.sub(lambda found: f"{found[1] or found[3]}***", text)


def source_kind(address: str) -> str:
    """Return `loopback` for the sandbox's data and `remote` for real data, by the host of the API's address."""
    return "loopback" if is_this_machine(urlsplit(address).hostname or "") else "remote"


def _marts_path(location: str) -> Path:
    if not location.startswith(DUCKLAKE_PREFIX):
        path = Path(location).absolute()
        # the whole name of any other: two warehouses in one folder never share their marts
        return path.with_name(f"{path.stem}.marts.duckdb" if path.suffix == ".duckdb" else f"{path.name}-marts.duckdb")
    catalogue = location.removeprefix(DUCKLAKE_PREFIX)
    if ":" in catalogue:  # a catalogue in PostgreSQL has no folder of its own
        return Path("data/ducklake.marts.duckdb").absolute()
    path = Path(catalogue).absolute()
    return path.with_name(f"{path.name}-marts.duckdb")


def _is_held_elsewhere(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)


def _load_ducklake(connection: duckdb.DuckDBPyConnection) -> None:
    for extension in ("ducklake", "postgres_scanner"):
        with contextlib.suppress(ModuleNotFoundError):
            files = importlib.resources.files(f"duckdb_extension_{extension}")
            path = files.joinpath("extensions", f"v{duckdb.__version__}", f"{extension}.duckdb_extension")
            if path.is_file():
                connection.execute(f"LOAD {literal(str(path))}")
                continue
        raise WarehouseUnusable(
            f"PSO_WAREHOUSE is a DuckLake, and the extension {extension} for DuckDB {duckdb.__version__} is missing: "
            "pip install 'pso-pipeline[ducklake]'"
        )
