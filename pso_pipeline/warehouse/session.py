"""How DuckDB is opened, and the warehouse with it.

A file is opened by one process at a time, briefly, waiting in line: two databases, `warehouse` (landed rows, schema
`mews`) and `marts` (computed tables, schema `mart`, a file of its own so that publishing is a byte copy). A DuckLake
(`lake.py`) is one database `warehouse` with all schemas; with its catalog in PostgreSQL, many processes have it open at
once, and each keeps it attached. Also holds `open_duckdb`, which every connection of the package comes from. Statements
about tables stay out.
"""

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import duckdb
from filelock import FileLock, Timeout
from tenacity import RetryError, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from pso_pipeline.contract.endpoints import ENDPOINTS, Endpoint
from pso_pipeline.settings import (
    DUCKLAKE_PREFIX,
    LocalSettings,
    MemorySettings,
    Settings,
    is_object_storage,
    is_this_machine,
    page,
)
from pso_pipeline.warehouse.copies import copy_before_migration, copy_catalog
from pso_pipeline.warehouse.errors import (
    WarehouseBusy,
    WarehouseDamaged,
    WarehouseUnusable,
    first_line,
    is_damage,
    without_passwords,
)
from pso_pipeline.warehouse.lake import Lake, local_folder
from pso_pipeline.warehouse.marts.copying import MARTS_STORAGE
from pso_pipeline.warehouse.marts.derive import create_marts, replace_marts
from pso_pipeline.warehouse.schema import SCHEMA_VERSION, prepare, read_version, use_schemas
from pso_pipeline.warehouse.sql import first_row, literal
from pso_pipeline.warehouse.writing import (
    EVERYTHING,
    FIXED_VARIABLE,
    KEY_OF_MIGRATIONS,
    WAIT_VARIABLE,
    Part,
    are_tables_fixed,
)

LONGEST_WAIT_SECONDS = 900.0
"""How long to wait for a warehouse that somebody else holds; an analyst's query in a DuckDB shell takes minutes."""

WAREHOUSE_STORAGE = "v1.3.0"
"""Format of the warehouse's file: the first one that compresses all texts well. Other programs read the snapshot."""

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


class KeptLake:
    """Keeps a shared lake attached from its first use to the end of the block, for the steps of one run.

    Attaching takes longer than most steps have to do. Where the connection broke, the next use attaches again.
    """

    def __init__(self) -> None:
        self._resources = contextlib.ExitStack()
        self._root: duckdb.DuckDBPyConnection | None = None
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def cursor(
        self, attached: Callable[[], contextlib.AbstractContextManager[duckdb.DuckDBPyConnection]]
    ) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to what `attached` opens where nothing is open yet."""
        with self._one_at_a_time:
            if self._root is None:
                self._root = self._resources.enter_context(attached())
            return self._root.cursor()

    def release(self) -> None:
        """Detach the lake; the next use attaches it again."""
        with self._one_at_a_time:
            self._root = None
            self._resources.close()


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The warehouse at `location`: a DuckDB file with the marts file beside it, or a DuckLake, `ducklake:…`.

    `source` is the address of the API that fills it; a warehouse filled from a loopback address (the sandbox) refuses
    any other, and the other way round. `connect` opens the database in memory to which all is attached; Dagster
    passes dagster-duckdb's. `endpoints` are those whose tables it has. `data_path` is where a lake's files go, and
    `kept` keeps a shared lake attached between two calls of `open`.
    """

    location: str = field(repr=False)
    source: str | None = None
    wait_seconds: float = LONGEST_WAIT_SECONDS
    connect: Connect = open_in_memory
    endpoints: tuple[Endpoint, ...] = ENDPOINTS
    data_path: str | None = None
    kept: KeptLake | None = field(default=None, compare=False)

    @classmethod
    def of(cls, settings: LocalSettings, **options: Any) -> Self:
        """Return the warehouse that the settings name; the options are those of the class."""
        source = settings.platform_address if isinstance(settings, Settings) else None
        return cls(settings.pso_warehouse, source, data_path=settings.pso_warehouse_data, **options)

    @property
    def lake(self) -> Lake | None:
        """The DuckLake; None where the warehouse is a file."""
        return Lake(self.location, self.data_path) if self.location.startswith(DUCKLAKE_PREFIX) else None

    @property
    def is_shared(self) -> bool:
        """Whether several processes can have the warehouse open at once: a lake with its catalog in PostgreSQL."""
        return self.lake is not None and self.lake.is_shared

    @property
    def path(self) -> Path:
        """The file of the warehouse, or of the lake's catalog; a shared lake has none."""
        return self.lake.path if self.lake else Path(self.location).absolute()

    @property
    def marts_path(self) -> Path:
        """The file of the marts; a lake has none."""
        path = Path(self.location).absolute()
        # the whole name of any other: two warehouses in one folder never share their marts
        return path.with_name(f"{path.stem}.marts.duckdb" if path.suffix == ".duckdb" else f"{path.name}-marts.duckdb")

    @property
    def lock_path(self) -> Path:
        """The file whose lock decides who may open a file; it holds the PID of who does, or did last."""
        return self._beside("lock")

    @property
    def folders(self) -> list[Path]:
        """The folders of this machine in which the warehouse has files."""
        if not self.lake:
            return [self.path.parent]
        folders = [] if self.is_shared else [self.path.parent]
        return folders if is_object_storage(self.lake.files) else [*folders, Path(self.lake.files)]

    @property
    def shown_location(self) -> str:
        """The location without the password of a catalogue's database, for people."""
        return without_passwords(self.location)

    @property
    def exists(self) -> bool:
        """Whether something has landed here before."""
        return self.is_shared or self.path.exists()

    @contextlib.contextmanager
    def open(self, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse for the length of the block: tables present and migrated, `mews.x` and `mart.x` resolve.

        Nobody else has a file open in the meantime. A shared lake is open for others too: what changes tables is a
        function of `writing.py`, which takes the locks. `threads` as in `open_duckdb`.

        Raises:
            WarehouseBusy: Somebody else held it for longer than `wait_seconds`; the message names the holder.
            WarehouseUnusable: The path cannot be opened, or not be written: no permission, no room.
            WarehouseNotMigrated: A shared lake has no tables, or older ones: `pso migrate` makes or migrates them.
            WarehouseTooNew: It was made by a newer version of the package.
            WarehouseMixed: It holds data of another kind of source.
            SettingsError: `PSO_MEMORY_LIMIT` is malformed.
        """
        if self.is_shared:
            with self._open_shared(self.wait_seconds) as connection:
                yield connection
        else:
            with self.hold(), self.open_held(threads) as connection:
                yield connection

    @contextlib.contextmanager
    def open_held(self, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse as `open` does, within a block of `hold`."""
        if self.is_shared:
            with self._open_shared(None) as connection:
                yield connection
        else:
            with private_files(), self._opened(self._beside("spill"), threads) as connection:
                yield connection

    def make(self) -> None:
        """Make the tables of a shared lake, and the lake itself, or migrate them; other processes wait for that.

        Raises:
            WarehouseBusy, WarehouseUnusable, WarehouseTooNew, WarehouseMixed: As `open`.
        """
        if not self.lake or not self.lake.is_shared:
            with self.open() as connection:
                create_marts(connection)
            return
        with (
            self.lake.locked(tuple(Part), self.wait_seconds, KEY_OF_MIGRATIONS),
            local_folder() as spill,
            self._opened(spill, None, is_made=True) as connection,
        ):
            create_marts(connection)

    def hold(self, *parts: Part) -> contextlib.AbstractContextManager[None]:
        """Keep everybody else from writing the warehouse, or parts of a shared lake, for the length of the block.

        Nobody else can open a file in the meantime. Within the block use `open_held`.

        Raises:
            WarehouseBusy: Another process of ours held them for longer than `wait_seconds`; the message names it.
            WarehouseUnusable: The folder cannot be made or written, or the catalog cannot be reached.
        """
        if self.lake and self.lake.is_shared:
            return self.lake.locked(parts or EVERYTHING, self.wait_seconds)
        return _locked(self.lock_path, self.wait_seconds)

    def resyncing(self) -> contextlib.AbstractContextManager[None]:
        """Keep other full resyncs of this warehouse waiting, for the length of the block; all else goes on.

        Two of them would each forget what the other one met. Raises as `hold` does.
        """
        if self.is_shared:
            return self.hold(Part.RESYNC)
        return _locked(self._beside("resync.lock"), self.wait_seconds)

    @property
    def _remedy(self) -> str:
        """What to do where the warehouse cannot be written."""
        if self.lake and is_object_storage(self.lake.files):
            return "the bucket must exist, and AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL must be right"
        return "make room where it is missing"

    def _beside(self, ending: str) -> Path:
        """Name a file next to the marts, or next to a lake's catalog."""
        path = self.lake.path if self.lake else self.marts_path
        return path.with_name(f"{path.name}.{ending}")

    @contextlib.contextmanager
    def _open_shared(self, wait_seconds: float | None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a shared lake; who writes takes the locks and waits for them, or has them where that is None."""
        with contextlib.ExitStack() as resources:
            kept = self.kept or resources.enter_context(KeptLake())
            try:
                connection = resources.enter_context(contextlib.closing(kept.cursor(self._attached)))
                connection.execute("SET TimeZone = 'UTC'")
                _share(connection, wait_seconds)
                use_schemas(connection, "warehouse")
                yield connection
            except duckdb.Error as error:
                kept.release()
                if isinstance(error, _UNWRITABLE):
                    raise WarehouseUnusable(
                        f"{self.shown_location} cannot be read or written: {first_line(error)} "
                        f"({self._remedy}; what was not committed will be read again)"
                    ) from None
                raise

    @contextlib.contextmanager
    def _attached(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with local_folder() as spill, self._opened(spill, None) as connection:
            yield connection

    @contextlib.contextmanager
    def _opened(
        self, spill: Path, threads: int | None, *, is_made: bool | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open DuckDB with everything attached and prepared; a shared lake is made and migrated if it `is_made`."""
        with open_duckdb(spill=spill, threads=threads, connect=self.connect) as connection:
            try:
                if self.is_shared:
                    _share(connection, self.wait_seconds, are_tables_fixed=not is_made)
                self._attach(connection, is_made=is_made or not self.is_shared)
                self._copy_before_migration(connection)
                prepare(connection, source_kind(self.source) if self.source else None, self.endpoints)
                yield connection
            except duckdb.Error as error:
                if is_damage(error):
                    _detach(connection)
                    self._name_damage(connection, error)
                if isinstance(error, duckdb.OutOfMemoryException):
                    raise WarehouseUnusable(
                        f"{self.shown_location}: DuckDB ran out of memory: {first_line(error)} (set a higher "
                        "PSO_MEMORY_LIMIT, or make room on the disk; what was not committed will be read again)"
                    ) from None
                if not isinstance(error, _UNWRITABLE):
                    raise
                raise WarehouseUnusable(
                    f"{self.shown_location} could not be written: {first_line(error)} "
                    f"({self._remedy}; what was not committed will be read again)"
                ) from None
            finally:
                _detach(connection)

    def _copy_before_migration(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep a copy of a file or a catalog whose tables are of an older version, if they are migrated here."""
        version = None if are_tables_fixed(connection) else read_version(connection)
        if version is None or version >= SCHEMA_VERSION:
            return
        if self.is_shared:
            copy = copy_catalog(connection, version)
        else:
            # closed meanwhile: closing another handle of the same file would end DuckDB's lock on it
            _detach(connection)
            copy = str(copy_before_migration(self.path if self.lake else Path(self.location), version))
            self._attach(connection, is_made=True)
        where = self.shown_location
        logger.warning("the tables of %s are migrated from version %d; it is kept as %s", where, version, copy)

    def verify(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read all that is stored in the files, on a connection that `open` gave: DuckDB compares their checksums.

        The Parquet files of a lake have none.

        Raises:
            duckdb.Error: A file is damaged; `open` then names it.
        """
        if not self.lake:
            for name in ("warehouse", "marts"):
                _read_all(connection, name)

    def _name_damage(self, connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> None:
        """Find out which file is damaged; return where none is. Damaged marts are removed, and are derived again.

        Raises:
            WarehouseDamaged: One is.
        """
        if self.lake:
            return
        if self.marts_path.exists() and self._is_damaged(connection, self.marts_path, MARTS_STORAGE):
            self._remove_marts()
            raise WarehouseDamaged(
                f"{self.marts_path} was damaged and is removed ({first_line(error)}): it is made from the warehouse, "
                "and the next refresh makes it again"
            )
        if not self._is_damaged(connection, Path(self.location), WAREHOUSE_STORAGE):
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
        """Remove the marts' file and make an empty one, so that no byte of what it held stays; or those of a lake."""
        if self.lake:
            replace_marts(connection)
            erase_history(connection)
            return
        _detach_file(connection, "marts")
        with _naming(self.marts_path):
            for path in (self.marts_path, self.marts_path.with_name(f"{self.marts_path.name}.wal")):
                path.unlink(missing_ok=True)
        self._attach_marts(connection)

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, is_made: bool) -> None:
        connection.execute("SET TimeZone = 'UTC'")
        if self.lake:
            attach = functools.partial(self.lake.attach, connection, is_made=is_made)
            _when_free(attach, self.location, self.wait_seconds)
            use_schemas(connection, "warehouse")
            return
        # the log is written into the file when that is closed: where memory or disk does not suffice for it within a
        # commit, DuckDB makes the database unusable
        connection.execute("SET checkpoint_threshold = '1TB'")
        try:
            self._attach_file(connection, Path(self.location), "warehouse", WAREHOUSE_STORAGE)
        except WarehouseDamaged as error:
            raise WarehouseDamaged(f"{error}; {RESTORE}") from None
        self._attach_marts(connection)

    def _attach_marts(self, connection: duckdb.DuckDBPyConnection) -> None:
        try:
            self._attach_file(connection, self.marts_path, "marts", MARTS_STORAGE)
        except WarehouseDamaged as error:
            logger.warning("the marts are made again from the warehouse: %s", error)
            self._remove_marts()
            self._attach_file(connection, self.marts_path, "marts", MARTS_STORAGE)
        use_schemas(connection)

    def _attach_file(self, connection: duckdb.DuckDBPyConnection, path: Path, name: str, storage: str) -> None:
        options = f"(STORAGE_VERSION {literal(storage)})"
        if not path.exists():
            self._make_file(connection, path, options)
        has_log = path.with_name(f"{path.name}.wal").exists()
        attach = f"ATTACH {literal(str(path))} AS {name} {options}"
        _when_free(lambda: connection.execute(attach), str(path), self.wait_seconds)
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


def erase_history(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove the earlier snapshots of a lake, and the files that only these need: what was deleted is gone then."""
    connection.execute("CALL ducklake_expire_snapshots('warehouse', older_than => now())")
    connection.execute("CALL ducklake_cleanup_old_files('warehouse', cleanup_all => true)")


def _when_free(attach: Callable[[], object], path: str, wait_seconds: float) -> None:
    """Attach a database as soon as no other program has its file open."""
    try:
        for attempt in Retrying(
            retry=retry_if_exception(_is_held_elsewhere),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            stop=stop_after_delay(wait_seconds),
        ):
            with attempt, _naming(path):
                attach()
    except RetryError as error:
        raise WarehouseBusy(
            f"{without_passwords(path)} has been held by another program for more than {wait_seconds:.0f} s, "
            f"close it there: {first_line(error.last_attempt.exception())}"
        ) from None


def _share(connection: duckdb.DuckDBPyConnection, wait_seconds: float | None, *, are_tables_fixed: bool = True) -> None:
    """Let whoever writes on this connection take the locks, unless it has them, and leave tables as they are."""
    connection.execute(f"SET VARIABLE {FIXED_VARIABLE} = {are_tables_fixed}")
    if wait_seconds is not None:
        connection.execute(f"SET VARIABLE {WAIT_VARIABLE} = {wait_seconds}")


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
    """Return whether a file has not all the blocks that DuckDB counts in it, but for free ones.

    DuckDB cuts free blocks off the end of a file, and goes on counting them.
    """
    row = first_row(
        connection,
        "SELECT block_size, total_blocks, free_blocks FROM pragma_database_size() WHERE database_name = $name",
        {"name": name},
    )
    if row is None:
        return False
    block_size, total_blocks, free_blocks = map(int, row)
    missing = FILE_HEADER_BYTES + block_size * total_blocks - path.stat().st_size
    return missing > 0 and (missing > block_size * free_blocks or missing % block_size > 0)


def _read_all(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Read every table of an attached database, of each the columns one after the other."""
    columns = connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() INNER JOIN duckdb_tables()"
        " USING (database_name, schema_name, table_name) WHERE database_name = $name",
        {"name": name},
    ).fetchall()
    for schema, table, column in columns:
        query = f'SELECT bit_xor(hash("{column}")) FROM {name}."{schema}"."{table}"'  # noqa: S608  # names of our own tables
        connection.execute(query).fetchall()


def _described_damage(path: str, error: BaseException) -> str:
    return f"{path} is damaged, or no DuckDB file: {first_line(error)}"


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
        said = first_line(error)
        if is_damage(error):
            raise WarehouseDamaged(_described_damage(without_passwords(str(path)), error)) from None
        raise WarehouseUnusable(f"{without_passwords(str(path))} cannot be opened: {said}") from None


def source_kind(address: str) -> str:
    """Return `loopback` for the sandbox's data and `remote` for real data, by the host of the API's address."""
    return "loopback" if is_this_machine(urlsplit(address).hostname or "") else "remote"


def _is_held_elsewhere(error: BaseException) -> bool:
    return isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)
