"""A DuckLake as the warehouse: where its catalog and files are, its extensions, its secret, the locks of its writers.

Holds what a lake needs beyond a file. Statements about tables stay out; what both have in common is in `session.py`.
"""

import contextlib
import importlib.resources
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from pso_pipeline.settings import DUCKLAKE_PREFIX, is_in_postgres, is_object_storage
from pso_pipeline.warehouse.errors import WarehouseNotMigrated, WarehouseUnusable, first_line, without_passwords
from pso_pipeline.warehouse.sql import first_row, literal
from pso_pipeline.warehouse.writing import CATALOG, Part, take_locks

POSTGRES_PREFIX = "postgres:"

KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
"""How soon a connection notices that the other machine is gone."""


@dataclass(frozen=True, slots=True)
class Lake:
    """The DuckLake at `location`, `ducklake:…`; its files go to `data_path`, a folder or `s3://…`.

    Without one they are where the catalog says, or next to it.
    """

    location: str = field(repr=False)
    data_path: str | None = None

    @property
    def is_shared(self) -> bool:
        """Whether the catalog is in PostgreSQL, so that several processes can have the lake open."""
        return is_in_postgres(self.location)

    @property
    def catalog(self) -> str:
        """Where the catalog is, as DuckDB takes it: a path, or `postgres:` and a connection string."""
        catalog = self.location.removeprefix(DUCKLAKE_PREFIX)
        if not self.is_shared:
            return catalog
        return POSTGRES_PREFIX + with_keepalives(catalog.removeprefix(POSTGRES_PREFIX))

    @property
    def path(self) -> Path:
        """The file of the catalog, where it is one."""
        return Path(self.catalog).absolute()

    @property
    def files(self) -> str:
        """Where the Parquet files of a new lake go."""
        if self.data_path and is_object_storage(self.data_path):
            return f"{self.data_path.rstrip('/')}/"
        return (
            f"{Path(self.data_path).absolute() if self.data_path else self.path.with_name(f'{self.path.name}.files')}/"
        )

    def load(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Load the extensions that the lake needs, and the keys of its object storage.

        Raises:
            WarehouseUnusable: One is not installed, or DuckDB refuses the keys.
        """
        load_extensions(connection, ("ducklake", *(("postgres_scanner",) if self.is_shared else ())))
        if is_object_storage(self.files):
            _use_object_storage(connection)

    def attach(self, connection: duckdb.DuckDBPyConnection, *, is_made: bool) -> None:
        """Attach the lake as `warehouse`; it is made where it is missing, if it `is_made` here.

        Raises:
            WarehouseNotMigrated: It is missing, and not for this process to make.
            duckdb.Error: It cannot be opened.
        """
        self.load(connection)
        options = [f"METADATA_CATALOG '{CATALOG}'"]
        if self.data_path:
            options.append(f"DATA_PATH {literal(self.files)}")
        if not is_made:
            options.append("CREATE_IF_NOT_EXISTS false")
        attach = f"ATTACH {literal(DUCKLAKE_PREFIX + self.catalog)} AS warehouse"
        try:
            connection.execute(f"{attach} ({', '.join(options)})")
        except duckdb.Error as error:
            if "creating a new DuckLake is explicitly disabled" in str(error):
                raise WarehouseNotMigrated(
                    f"there is no lake at {without_passwords(self.location)} yet: run `pso migrate`"
                ) from None
            if "does not match existing data path" in str(error):
                raise WarehouseUnusable(
                    f"PSO_WAREHOUSE_DATA is another place than that of the lake's files: {first_line(error)} "
                    "(a database holds one lake: give another one a database of its own)"
                ) from None
            raise

    @contextlib.contextmanager
    def locked(self, parts: Sequence[Part], wait_seconds: float, key: str | None = None) -> Iterator[None]:
        """Keep every other process from writing these parts of a shared lake, for the length of the block.

        A lake that is not there yet is kept from being made.

        Raises:
            WarehouseBusy: Another process has been writing for longer than `wait_seconds`.
            WarehouseUnusable: The catalog cannot be reached.
        """
        with duckdb.connect() as gate:
            load_extensions(gate, ("postgres_scanner",))
            try:
                where = literal(self.catalog.removeprefix(POSTGRES_PREFIX))
                gate.execute(f"ATTACH {where} AS {CATALOG} (TYPE postgres)")
                gate.begin()
                take_locks(gate, parts, wait_seconds, key)
            except duckdb.Error as error:
                raise WarehouseUnusable(
                    f"{without_passwords(self.location)} cannot be locked: {first_line(error)}"
                ) from None
            yield


def read_data_path(connection: duckdb.DuckDBPyConnection) -> str:
    """Read from the catalog of an open lake where its files are: a folder or `s3://…`."""
    (path,) = first_row(connection, "SELECT value FROM warehouse.options() WHERE option_name = 'data_path'") or ("",)
    return str(path)


def with_keepalives(connection_string: str) -> str:
    """Add keepalives to a connection string of PostgreSQL, keywords or an address, where it sets none."""
    missing = [f"{name}={value}" for name, value in KEEPALIVES.items() if f"{name}=" not in connection_string]
    if not connection_string.startswith(("postgresql://", "postgres://")):
        return " ".join([connection_string, *missing])
    joint = "&" if urlsplit(connection_string).query else "?"
    return joint.join([connection_string, "&".join(missing)]) if missing else connection_string


@contextlib.contextmanager
def local_folder() -> Iterator[Path]:
    """Make a private folder on this machine, which goes with the block."""
    with tempfile.TemporaryDirectory(prefix="pso-lake-") as folder:
        yield Path(folder)


def load_extensions(connection: duckdb.DuckDBPyConnection, extensions: Sequence[str]) -> None:
    """Load extensions of DuckDB from their wheels: nothing is downloaded at run time.

    Raises:
        WarehouseUnusable: One is not installed.
    """
    for extension in extensions:
        with contextlib.suppress(ModuleNotFoundError):
            files = importlib.resources.files(f"duckdb_extension_{extension}")
            path = files.joinpath("extensions", f"v{duckdb.__version__}", f"{extension}.duckdb_extension")
            if path.is_file():
                connection.execute(f"LOAD {literal(str(path))}")
                continue
        extra = "distributed" if extension == "httpfs" else "ducklake"
        raise WarehouseUnusable(
            f"PSO_WAREHOUSE is a DuckLake, and the extension {extension} for DuckDB {duckdb.__version__} is missing: "
            f"pip install 'pso-pipeline[{extra}]'"
        )


def _use_object_storage(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB read and write `s3://` with the usual variables of AWS.

    Raises:
        WarehouseUnusable: httpfs is not installed, or DuckDB refuses the variables.
    """
    load_extensions(connection, ("httpfs",))
    values = {
        "KEY_ID": os.environ.get("AWS_ACCESS_KEY_ID"),
        "SECRET": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": os.environ.get("AWS_SESSION_TOKEN"),
        "REGION": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
    }
    options = ["TYPE s3", *(f"{name} {literal(value)}" for name, value in values.items() if value)]
    if address := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(address)
        uses_tls = "true" if parts.scheme == "https" else "false"
        options += [
            f"ENDPOINT {literal(parts.netloc + parts.path.rstrip('/'))}",
            "URL_STYLE 'path'",
            f"USE_SSL {uses_tls}",
        ]
    try:
        connection.execute(f"CREATE OR REPLACE SECRET lake_files ({', '.join(options)})")
    except duckdb.Error:  # its message can contain the secret
        raise WarehouseUnusable(
            "DuckDB refuses the settings of the object storage: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
            "AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL"
        ) from None
