"""Dagster's own storage: its SQLite files as Dagster keeps them, with connections that stay open.

Dagster opens a file anew for each event, through an engine that it makes anew: 14 ms of CPU an event in place of 5, and
the first refresh of 3,500 hotels has 7,000. The files are Dagster's, written by its own code; an instance can be
switched from one to the other at any time. What is stored, and when, is decided elsewhere.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine

FIRST_START_SECONDS = 120.0
"""For a process to wait until another has made Dagster's files, which takes seconds on a busy machine."""

RUNS_KEPT_OPEN = 8
"""Files of event logs that stay open: that of the assets, and those of the latest runs that were read or written."""


def first_start(home: Path) -> FileLock:
    """The lock under which Dagster's files are made: of two processes that make them at once, both mark their version.

    Then Dagster finds two versions, and does not start any more.
    """
    return FileLock(home / "storage.lock", timeout=FIRST_START_SECONDS)


class OpenStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with connections that stay open; `dagster.yaml` names it under `storage: custom:`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        with first_start(Path(base_dir)):
            super().__init__(base_dir, inst_data)
        # Dagster has just made its files and keeps their names in these attributes alone; to name them again here could
        # lead to other files in another version of Dagster
        self._run_storage = _OpenRuns(self._run_storage._conn_string)  # noqa: SLF001  # as above
        self._event_log_storage = _OpenEventLog(self._event_log_storage._base_dir)  # noqa: SLF001  # as above
        self._schedule_storage = _OpenSchedules(self._schedule_storage._conn_string)  # noqa: SLF001  # as above

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "OpenStorage":
        """Make the storage in the folder that `dagster.yaml` names."""
        return cls.from_local(inst_data=inst_data, **config_value)


class _Open:
    """What runs and schedules have in common: one file."""

    _conn_string: str

    @cached_property
    def _engine(self) -> Engine:
        return _open(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        self._engine.dispose()


class _OpenRuns(_Open, SqliteRunStorage):
    pass


class _OpenSchedules(_Open, SqliteScheduleStorage):
    pass


class _OpenEventLog(SqliteEventLogStorage):
    """The event log: a file for each run, of which the latest stay open, and one for all assets."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine_of(shard).begin() as connection:
            yield connection

    def _engine_of(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None) or self._opened(shard)
        self._engines[shard] = engine
        if len(self._engines) > RUNS_KEPT_OPEN:
            _, oldest = self._engines.popitem(last=False)
            oldest.dispose()
        return engine

    def _opened(self, shard: str) -> Engine:
        engine = _open(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    def wipe(self) -> None:
        self._close()
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()


def _open(conn_string: str) -> Engine:
    return create_engine(conn_string, pool_size=1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
