"""The copy of a warehouse that is kept before its tables are migrated: of a file, or of the catalog of a lake."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pso_pipeline.warehouse.errors import WarehouseUnusable, first_line
from pso_pipeline.warehouse.sql import fill, literal, statement
from pso_pipeline.warehouse.writing import CATALOG

KEPT_COPIES = 3


def copy_before_migration(path: Path, version: int) -> Path:
    """Copy a closed database file, with its log if there is one, next to it; remove the oldest copies.

    The name has the version of the tables and the time: `warehouse.duckdb.version-4-20261130T120000Z`.

    Raises:
        WarehouseUnusable: The disk has no room for the copy, or the copy cannot be written.
    """
    log = path.with_name(f"{path.name}.wal")
    needed = sum(each.stat().st_size for each in (path, log) if each.exists())
    copy = path.with_name(f"{path.name}.version-{version}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    what = f"{path} is not migrated from table version {version}"
    if shutil.disk_usage(path.parent).free < 2 * needed:
        raise WarehouseUnusable(f"{what}: a copy of {needed / 1e6:,.0f} MB is made first, and there is no room for it")
    try:
        for source, target in ((log, copy.with_name(f"{copy.name}.wal")), (path, copy)):
            if source.exists():
                shutil.copyfile(source, target)
                target.chmod(0o600)
    except OSError as error:
        raise WarehouseUnusable(f"{what}: {copy} cannot be written: {error.strerror or error}") from None
    copies = (each for each in path.parent.glob(f"{path.name}.version-*") if each.suffix != ".wal")
    for old in sorted(copies, key=lambda each: each.stat().st_mtime)[:-KEPT_COPIES]:
        old.unlink(missing_ok=True)
        old.with_name(f"{old.name}.wal").unlink(missing_ok=True)
    return copy


def copy_catalog(connection: duckdb.DuckDBPyConnection, version: int) -> str:
    """Copy the catalog of a shared lake into a schema of its own in the same database; return where it is.

    The name has the version of the tables and the time: `version_4_20261130t120000z`. The lake keeps the data files
    that the copy names for as long as it keeps snapshots.

    Raises:
        WarehouseUnusable: The role may not make a schema, or the database has no room.
    """
    copy = f"version_{version}_{datetime.now(UTC):%Y%m%dt%H%M%Sz}"
    copying = fill(statement("queries/copy_catalog.sql"), {"copy": copy})
    try:
        connection.execute(f"CALL system.main.postgres_execute('{CATALOG}', {literal(copying)})")
    except duckdb.Error as error:
        raise WarehouseUnusable(
            f"the lake is not migrated from table version {version}: the copy of its catalog that is made first "
            f"failed: {first_line(error)}"
        ) from None
    return f"the schema {copy} of its database"
