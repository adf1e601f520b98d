"""The installation of `deploy/compose`, started on this machine without Docker, and what restarts its processes.

Commands, variables, secrets and files are those of `deploy/`; only addresses, folders and intervals are others. Each
service has its own home, as each container has. A process that ends is started again, as `restart: unless-stopped` and
systemd do; nothing else helps.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml

from pso_pipeline_tests.cli.test_demo import free_port
from pso_pipeline_tests.fakes.object_storage import ObjectStorage
from pso_pipeline_tests.fakes.pgbouncer import running_pgbouncer
from pso_pipeline_tests.fakes.postgres import Postgres
from pso_pipeline_tests.fakes.redis import Redis

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
PROGRAMS = Path(sys.executable).parent

RESTART_SECONDS = 1.0
"""Pause before a process that ended is started again."""

SHORTER = {"poll_interval_seconds": 1, "start_timeout_seconds": 90, "free_slots_after_run_end_seconds": 1}
"""Intervals of `dagster.yaml` that are shorter in tests."""

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""

LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"


class Service:
    """A process that is started again whenever it ends, together with what it has started."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep, name=log.stem)
        self._keeper.start()

    @property
    def pid(self) -> int:
        """The process, which leads a group of its own."""
        return self._process.pid

    def kill(self) -> None:
        """End the process and everything that it has started, as the end of a container does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process for good."""
        with self._lock:
            self._is_over.set()
        self.kill()
        self._keeper.join()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                env=dict(self._environment),
                cwd=self._log.parent,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _keep(self) -> None:
        while True:
            self._process.wait()
            self.kill()
            if self._is_over.wait(RESTART_SECONDS):
                return
            with self._lock:
                if self._is_over.is_set():
                    return
                self._process = self._start()


class Stack:
    """The running installation: one code server, web server and daemon, and workers, in front of real servers."""

    def __init__(
        self,
        folder: Path,
        servers: tuple[Postgres, Redis, ObjectStorage],
        secrets: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> None:
        self.postgres, self._redis, self._storage = servers
        self.folder = folder
        self._secrets, self._settings = secrets, settings
        web = free_port()
        self._ports = {"3000": str(web), "4000": str(free_port(above=web))}
        self.services: dict[str, Service] = {}

    @contextlib.contextmanager
    def running(self, workers: int) -> Iterator[None]:
        """Make the databases and the lake, and run the services for the length of the block."""
        with contextlib.ExitStack() as resources:
            with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
                for line in (DEPLOY / "compose/databases.sql").read_bytes().splitlines():
                    connection.execute(line)
            self._write_files(resources.enter_context(running_pgbouncer(self.postgres)))
            resources.callback(self._stop)
            migrate = self._command("migrate"), self._environment("migrate")
            subprocess.run(migrate[0], env=migrate[1], check=True, cwd=self.folder, capture_output=True)
            for name in ("code-server", "daemon", "webserver"):
                self.services[name] = Service(self._command(name), self._environment(name), self._log(name))
            for number in range(1, workers + 1):
                name = f"worker-{number}"
                # containers have host names of their own
                command = [*self._command("worker"), f"--hostname=celery@{name}"]
                self.services[name] = Service(command, self._environment("worker", name), self._log(name))
            yield

    def home(self, name: str) -> Path:
        """The DAGSTER_HOME of a service, or of a test that reads the storage."""
        home = self.folder / name / "dagster"
        if not home.exists():
            home.mkdir(parents=True)
            shutil.copy(self.folder / "dagster.yaml", home)
        return home

    def variables(self, name: str) -> dict[str, str]:
        """The variables of a service, without the secrets."""
        given: dict[str, str] = COMPOSE["x-environment"] | COMPOSE["services"].get(name, {}).get("environment", {})
        assert set(self._changed) <= set(given)
        return given | self._changed | dict(self._settings) | self._storage.variables

    def launch(self, job: str, tags: Mapping[str, str]) -> str:
        """Start a run as the web UI does; return its id."""
        params = {
            "selector": {
                "repositoryLocationName": "pso_pipeline",
                "repositoryName": "__repository__",
                "jobName": job,
            },
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self._graphql(LAUNCH, {"params": params})["launchRun"]
        run: str = answer["run"]["runId"]
        return run

    def logs(self) -> list[str]:
        """The names of the logs of runs in the object storage."""
        return self._storage.names(self._changed["DAGSTER_LOGS_BUCKET"])

    def has_code_location(self) -> bool:
        """Whether the web server shows the jobs of the code server."""
        try:
            entries = self._graphql(LOCATIONS)["workspaceOrError"]["locationEntries"]
        except httpx.HTTPError:
            return False
        return bool(entries) and all(
            each["locationOrLoadError"]["__typename"] == "RepositoryLocation" for each in entries
        )

    def _graphql(self, query: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        address = f"http://127.0.0.1:{self._ports['3000']}/graphql"
        answer = httpx.post(address, json={"query": query, "variables": variables}, timeout=60)
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data

    def _write_files(self, pgbouncer: int) -> None:
        dagster = (DEPLOY / "celery/dagster.yaml").read_text()
        for name, seconds in SHORTER.items():
            dagster, count = re.subn(rf"^(  {name}): \d+$", rf"\1: {seconds}", dagster, flags=re.MULTILINE)
            assert count == 1, name
        # by default below /tmp, whatever TMPDIR says
        dagster = dagster.replace(
            "    prefix: dagster-logs", f"    prefix: dagster-logs\n    local_dir: {self.folder}/logs"
        )
        (self.folder / "dagster.yaml").write_text(dagster)
        workspace = (DEPLOY / "celery/workspace.yaml").read_text()
        for before, after in (("host: code-server", "host: 127.0.0.1"), ("4000", self._ports["4000"])):
            assert before in workspace
            workspace = workspace.replace(before, after)
        (self.folder / "workspace.yaml").write_text(workspace)
        shutil.copy(DEPLOY / "celery/dagster_celery_config.py", self.folder)
        (self.folder / "secrets").mkdir()
        for name, value in {"celery_broker_url": self._redis.url, **self._secrets}.items():
            assert name in COMPOSE["secrets"]
            (self.folder / "secrets" / name).write_text(value)
        self._changed = {
            "PYTHONPATH": str(self.folder),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(pgbouncer),
            "DAGSTER_LOGS_BUCKET": self._storage.new_bucket().removeprefix("s3://"),
            "AWS_REGION": self._storage.variables["AWS_REGION"],
            "MEWS_PLATFORM_ADDRESS": self._settings["MEWS_PLATFORM_ADDRESS"],
            "PSO_WAREHOUSE_DATA": str(self.folder / "lake"),
            "PSO_BI_DIR": str(self.folder / "bi"),
        }

    def _command(self, service: str) -> list[str]:
        program, *arguments = COMPOSE["services"][service]["command"]
        places = {"0.0.0.0": "127.0.0.1", **self._ports}
        arguments = [places.get(each, each).replace("/etc/pso", str(self.folder)) for each in arguments]
        return [str(DEPLOY / "entrypoint.sh"), str(PROGRAMS / program), *arguments]

    def _environment(self, service: str, name: str | None = None) -> dict[str, str]:
        home = self.home(name or service)
        return {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "HOME": str(home.parent),
            "TMPDIR": str(home.parent),
            "DAGSTER_HOME": str(home),
            "SECRETS_DIR": str(self.folder / "secrets"),
            "PYTHONUNBUFFERED": "1",
            "PGPASSWORD": "",
            **self.variables(service),
        }

    def _log(self, name: str) -> Path:
        return self.home(name).with_name("log")

    def _stop(self) -> None:
        for service in self.services.values():
            service.stop()
