"""A real Redis for tests, on a free port of this machine; it saves nothing, so it forgets everything when it stops."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis


@dataclass
class Redis:
    """A running server. `folder` holds its log; everybody on this machine is let in."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where the server is, as an address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        found = shutil.which("redis-server")
        assert found, "these tests start a real Redis: apt-get install redis-server"
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--logfile": "log"}
        arguments = [part for option in options.items() for part in option]
        self._process = subprocess.Popen([found, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()

    def kill(self) -> None:
        """End the server at once."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """End the server at once, and start it again."""
        self.kill()
        self.start()

    def _answers(self) -> bool:
        with redis.Redis(port=self.port, host="127.0.0.1") as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False


@contextmanager
def running_redis(folder: Path) -> Iterator[Redis]:
    """Run an empty server for the length of the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = Redis(folder, listener.getsockname()[1])
    server.start()
    try:
        yield server
    finally:
        server.kill()
