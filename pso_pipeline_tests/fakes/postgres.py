"""A real PostgreSQL for tests, on a free port of this machine; its data go with the tests."""

import getpass
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql


@dataclass(frozen=True)
class Postgres:
    """A running server. `folder` holds its data and its log; everybody on this machine is let in as user `pso`."""

    folder: Path
    port: int

    @property
    def pid(self) -> int:
        """The process that starts all others of the server."""
        return int((self.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])

    def control(self, *arguments: str) -> None:
        """Run `pg_ctl` on the server, for instance `stop -m immediate`."""
        _run("pg_ctl", self.folder, "-D", str(self.folder / "data"), "-w", *arguments)

    def start(self) -> None:
        """Start the server; a stopped one goes on with its data."""
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        self.control("-o", options, "-l", str(self.folder / "log"), "start")

    def restart(self) -> None:
        """End the server at once, without a checkpoint, and start it again."""
        self.control("-m", "immediate", "stop")
        self.start()

    def new_database(self, name: str | None = None, template: str = "template1") -> str:
        """Make an empty database, or a copy of one that nobody has open, and return its name."""
        made = name or f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            names = sql.Identifier(made), sql.Identifier(template)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        return made

    def keywords(self, database: str) -> str:
        """Return where a database is, as libpq's keywords: `dbname=… user=… host=… port=…`."""
        return f"dbname={database} user=pso host=127.0.0.1 port={self.port}"

    def url(self, database: str) -> str:
        """Return where a database is, as an address."""
        return f"postgresql://pso@127.0.0.1:{self.port}/{database}"

    def sql(self, database: str, statement: LiteralString) -> list[tuple[Any, ...]]:
        """Run one statement, outside of a transaction, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """Make a server with an empty database `postgres`, and run it for the length of the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = Postgres(folder, listener.getsockname()[1])
    if getpass.getuser() == "root":  # PostgreSQL refuses to be run by root
        shutil.chown(folder, "postgres")
    _run("initdb", folder, "-D", str(folder / "data"), "-U", "pso", "-A", "trust", "-E", "UTF8")
    server.start()
    try:
        yield server
    finally:
        server.control("-m", "immediate", "stop")


def _programs() -> Path:
    found = shutil.which("initdb") or next(
        iter(sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))), None
    )
    assert found, "these tests start a real PostgreSQL: apt-get install postgresql"
    return Path(found).parent


def _run(name: str, folder: Path, *arguments: str) -> None:
    as_user = ["runuser", "-u", "postgres", "--"] if getpass.getuser() == "root" else []
    command = [*as_user, str(_programs() / name), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, env={**os.environ, "LC_ALL": "C"})
