"""A real PgBouncer for tests, in front of a PostgreSQL of the tests, with the settings that `deploy/` has."""

import getpass
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pso_pipeline_tests.fakes.postgres import Postgres

SETTINGS = Path(__file__).parents[2] / "deploy/compose/pgbouncer.ini"


@contextmanager
def running_pgbouncer(postgres: Postgres) -> Iterator[int]:
    """Run PgBouncer for the length of the block; yields its port. Everybody on this machine is let in as `pso`."""
    found = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/bin")
    assert found, "these tests start a real PgBouncer: apt-get install pgbouncer"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pso-pgbouncer-") as folder:
        settings = SETTINGS.read_text()
        for name, value in {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "auth_type": "trust",
            "auth_file": f"{folder}/users",
            r"\*": f"host=127.0.0.1 port={postgres.port}",
        }.items():
            settings, count = re.subn(rf"^({name}) = .*", rf"\1 = {value}", settings, flags=re.MULTILINE)
            assert count == 1, name
        (Path(folder) / "settings").write_text(f"{settings}unix_socket_dir =\n")
        (Path(folder) / "users").write_text('"pso" ""\n')
        Path(folder).chmod(0o755)
        # it refuses to be run by root
        as_user = ["runuser", "-u", "postgres", "--"] if getpass.getuser() == "root" else []
        process = subprocess.Popen([*as_user, found, f"{folder}/settings"], stderr=subprocess.DEVNULL)
        try:
            while not _listens(port):
                assert process.poll() is None, "PgBouncer ended"
            yield port
        finally:
            process.terminate()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
