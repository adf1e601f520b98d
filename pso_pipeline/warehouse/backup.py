"""Backups of the warehouse: a copy that is made while nobody writes, verified, and put back.

A backup is a folder with `backup.json`, which says what is in it. Of a DuckDB file it has the file, and its log (WAL)
if there is one: rows that are committed may be in the log alone. Of a DuckLake it has the catalog only, and names
the folder of the data files. The marts and the snapshot are not in it, because they are computed again.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pso_pipeline.settings import DUCKLAKE_PREFIX
from pso_pipeline.warehouse.errors import WarehouseError, split_password
from pso_pipeline.warehouse.lake import read_data_path
from pso_pipeline.warehouse.session import Warehouse, open_duckdb, private_files
from pso_pipeline.warehouse.sql import first_row, literal

DESCRIPTION = "backup.json"
POSTGRES_PREFIX = "postgres:"
DUMP = "catalog.dump"

_PART_BYTES = 1 << 22


class BackupError(WarehouseError):
    """A backup cannot be made, is not whole, or is of something else; one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup has: `kind` is `file`, `ducklake file` or `ducklake postgres`.

    `files` has the SHA-256 of each file by its name, `rows` the number of rows of each table by its name, and
    `data_path` is where the data files of a DuckLake are.
    """

    kind: str
    made_utc: str
    files: Mapping[str, str]
    rows: Mapping[str, int]
    data_path: str | None = None


def back_up(warehouse: Warehouse, folder: Path) -> Backup:
    """Copy the warehouse into a folder, which is new, empty, or an older backup that is replaced at the end.

    Raises:
        BackupError: The folder has something else, the copy differs, or a program is missing.
        WarehouseError: The warehouse cannot be opened.
        OSError: The folder cannot be written.
    """
    folder = folder.absolute()
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / DESCRIPTION).exists())):
        raise BackupError(f"{folder} is not empty and not a backup: choose another folder")
    if not warehouse.exists:
        raise BackupError(f"{warehouse.shown_location} does not exist yet: there is nothing to back up")
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with private_files():
        fresh.mkdir(parents=True)
        with warehouse.hold():
            # nobody else has the files open, not even another program
            with warehouse.open_held() as connection:
                rows = _count_rows(connection, "warehouse")
                data_path = read_data_path(connection) if warehouse.lake else None
            kind = _copy(warehouse, fresh)
        files = {path.name: _digest(path) for path in sorted(fresh.iterdir())}
        made = Backup(kind, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", files, rows, data_path)
        _verify_contents(made, fresh)
        (fresh / DESCRIPTION).write_text(json.dumps(asdict(made), indent=1) + "\n", encoding="utf-8")
        _replace_folder(fresh, folder)
    return made


def read_backup(folder: Path) -> Backup:
    """Read what a backup has, and verify that its files are as they were written.

    Raises:
        BackupError: It is no backup, or a file is missing or differs.
    """
    try:
        backup = Backup(**json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BackupError(f"{folder} is not a backup: it has no {DESCRIPTION}") from None
    except (ValueError, TypeError):
        raise BackupError(f"{folder / DESCRIPTION} cannot be read: take another backup") from None
    for name, digest in backup.files.items():
        path = folder / Path(name).name
        if not path.is_file() or _digest(path) != digest:
            raise BackupError(f"{path} is missing or is not as it was written: take another backup")
    return backup


def restore(warehouse: Warehouse, folder: Path) -> tuple[Backup, list[Path]]:
    """Put a backup in the place of the warehouse, and remove the marts, which are computed again.

    Returns what the backup has, and the files of before, which are kept under other names.

    Raises:
        BackupError: The backup is not whole, or is of another kind of warehouse.
        WarehouseError: Somebody else holds the warehouse.
        OSError: A file cannot be written.
    """
    backup = read_backup(folder)
    if backup.kind != (kind := _kind(warehouse)):
        raise BackupError(f"{folder} is a backup of a {backup.kind}, and PSO_WAREHOUSE is a {kind}: change one of them")
    with private_files():
        _verify_contents(backup, folder)
        with warehouse.hold():
            kept = _put_back(warehouse, folder)
            if not warehouse.lake:
                for path in (warehouse.marts_path, _log_of(warehouse.marts_path)):
                    path.unlink(missing_ok=True)
    return backup, kept


def database_path(warehouse: Warehouse) -> Path:
    """Return the path of the DuckDB file that has the rows, or the catalog of a DuckLake."""
    return Path(warehouse.location.removeprefix(DUCKLAKE_PREFIX))


def _kind(warehouse: Warehouse) -> str:
    if not warehouse.lake:
        return "file"
    catalog = warehouse.location.removeprefix(DUCKLAKE_PREFIX)
    return "ducklake postgres" if catalog.startswith(POSTGRES_PREFIX) else "ducklake file"


def _copy(warehouse: Warehouse, folder: Path) -> str:
    kind = _kind(warehouse)
    if kind == "ducklake postgres":
        place, password = _connection_of(warehouse)
        _run_postgres(
            "pg_dump", "--format=custom", "--file", str(folder / DUMP), "--dbname", place, password=password
        )  # fmt: skip
        return kind
    database = database_path(warehouse)
    _check_room(folder, [database, _log_of(database)])
    for path in (database, _log_of(database)):
        if path.exists():
            shutil.copyfile(path, folder / path.name)
    return kind


def _put_back(warehouse: Warehouse, folder: Path) -> list[Path]:
    if _kind(warehouse) == "ducklake postgres":
        place, password = _connection_of(warehouse)
        _run_postgres(
            "pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error",
            "--dbname", place, str(folder / DUMP), password=password,
        )  # fmt: skip
        return []
    database = database_path(warehouse)
    (source,) = (path for path in folder.iterdir() if path.name != DESCRIPTION and path.suffix != ".wal")
    database.parent.mkdir(parents=True, exist_ok=True)
    copies = {}
    for path, target in ((_log_of(source), _log_of(database)), (source, database)):
        if path.exists():
            copies[target] = target.with_name(f"{target.name}.restoring")
            shutil.copyfile(path, copies[target])
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    kept = []
    # the log first: a file without its log would be taken for whole
    for path in (_log_of(database), database):
        if path.exists():
            name = path.name.replace(database.name, f"{database.name}.before-{moment}", 1)
            kept += [path.rename(path.with_name(name))]
    for target, copy in copies.items():
        copy.replace(target)
    return kept


def _verify_contents(backup: Backup, folder: Path) -> None:
    """Open the copy and read all of it.

    Raises:
        BackupError: It cannot be read, or has other rows than the warehouse had.
    """
    if backup.kind == "ducklake postgres":
        _run_postgres("pg_restore", "--list", str(folder / DUMP))
        return
    (name,) = (each for each in backup.files if not each.endswith(".wal"))
    try:
        with open_duckdb(spill=folder / "spill") as connection:
            # a log cannot be replayed read-only where the folder is; the copy of a copy can be written
            trial = folder / f"{name}.trial"
            try:
                shutil.copyfile(folder / name, trial)
                if (folder / f"{name}.wal").exists():
                    shutil.copyfile(folder / f"{name}.wal", _log_of(trial))
                connection.execute(f"ATTACH {literal(str(trial))} AS copied")
                rows = _count_rows(connection, "copied")
                connection.execute("DETACH copied")
            finally:
                for path in (trial, _log_of(trial)):
                    path.unlink(missing_ok=True)
    except duckdb.Error as error:
        raise BackupError(f"{folder / name} cannot be read: {str(error).splitlines()[0]}") from None
    if backup.kind == "file" and rows != dict(backup.rows):
        raise BackupError(f"{folder / name} has other rows than the warehouse had: take another backup")


def _count_rows(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, int]:
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $name ORDER BY ALL",
        {"name": database},
    ).fetchall()
    counts = {}
    for schema, table in tables:
        row = first_row(connection, f'SELECT count(*) FROM {database}."{schema}"."{table}"')  # noqa: S608  # names of the database's own catalog
        counts[f"{schema}.{table}"] = row[0] if row else 0
    return counts


def _check_room(folder: Path, files: list[Path]) -> None:
    needed = sum(path.stat().st_size for path in files if path.exists())
    # one copy to keep, and one that is opened to verify it
    if shutil.disk_usage(folder).free < 2 * needed:
        raise BackupError(f"{folder} has no room for a copy of {needed / 1e6:,.0f} MB and its verification: make room")


def _connection_of(warehouse: Warehouse) -> tuple[str, str | None]:
    """Return the connection string of a catalog without its password, and the password."""
    return split_password(warehouse.location.removeprefix(DUCKLAKE_PREFIX).removeprefix(POSTGRES_PREFIX))


def _run_postgres(program: str, *arguments: str, password: str | None = None) -> None:
    """Run a program of PostgreSQL."""
    if (found := shutil.which(program)) is None:
        raise BackupError(
            f"the catalog is in PostgreSQL and {program} is not installed: install PostgreSQL's client programs, "
            f"or back the database up there"
        )
    environment = os.environ | ({"PGPASSWORD": password} if password is not None else {})
    done = subprocess.run(  # noqa: S603  # no shell; our own arguments
        [found, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason is known"])[-1]
        raise BackupError(f"{program} failed: {said}")


def _replace_folder(fresh: Path, folder: Path) -> None:
    before = folder.with_name(f"{folder.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.rename(before)
    fresh.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while part := content.read(_PART_BYTES):
            digest.update(part)
        os.fsync(content.fileno())
    return digest.hexdigest()
