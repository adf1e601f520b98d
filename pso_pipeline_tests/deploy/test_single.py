"""The files for one machine: systemd accepts the units, and what they start works; each proxy asks for a login."""

import base64
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from dagster import DagsterInstance
from dagster_postgres import PostgresRunStorage
from dotenv import dotenv_values
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pso_pipeline.cli import serving as dagster
from pso_pipeline_tests.cli.conftest import installed_pso
from pso_pipeline_tests.cli.test_demo import free_port
from pso_pipeline_tests.cli.test_serving import wait_for
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve, serving

SINGLE = Path(__file__).parents[2] / "deploy/single"
BIN = Path(sys.executable).parent
SERVICES = ("pso-code-server", "pso-daemon", "pso-webserver")
NAME, USER, PASSWORD = "dagster.example.com", "manager", "correct horse"
QUERY = '{ runsOrError(filter: {pipelineName: "refresh", statuses: [SUCCESS]}) { ... on Runs { count } } }'


@pytest.fixture
def places():
    """Where this test has the folders that the units name; short, since a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="pso-") as folder:
        at = {name: Path(folder) / name for name in ("var", "etc", "run")}
        for path in at.values():
            path.mkdir()
        yield at


@pytest.fixture
def units(places):
    """The units with the programs and folders of this test, and a function that changes other texts in the same way."""
    port = free_port()

    def move(text):
        for before, after in (
            ("/opt/pso/bin", BIN),
            ("/var/lib/pso", places["var"]),
            ("/etc/pso", places["etc"]),
            ("/run/pso", places["run"]),
            ("--port 3000", f"--port {port}"),
        ):
            text = text.replace(before, str(after))
        return text

    folder = places["etc"] / "systemd"
    shutil.copytree(SINGLE / "systemd", folder)
    for path in [each for each in folder.rglob("*") if each.is_file()]:
        path.write_text(move(path.read_text()))
    (places["etc"] / "workspace.yaml").write_text(move((SINGLE / "workspace.yaml").read_text()))
    return folder, port


def systemd_analyze(folder, *arguments):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_accepts_the_units(units):
    folder, _ = units
    done = systemd_analyze(folder, "verify", "--man=no", folder / "pso.target", *folder.glob("*.service"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_do_little_to_its_machine(units, service):
    """The scale of systemd ends at 10; a service without any restriction has 9.6."""
    done = systemd_analyze(units[0], "security", "--offline=yes", "--threshold=25", f"{service}.service")
    assert done.returncode == 0, done.stdout.splitlines()[-1]


class Machine:
    """Starts services as their units say, without systemd."""

    def __init__(self, folder, places):
        self._folder, self._places = folder, places
        self._home = Path(places["var"])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def _directives(self, service):
        text = (self._folder / "pso-.service.d/pso.conf").read_text() + (
            self._folder / f"{service}.service"
        ).read_text()
        return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)

    def start(self, service):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._home)}
        for name, value in self._directives(service):
            if name == "Environment":
                environment |= dict(each.split("=", 1) for each in shlex.split(value))
            elif name == "EnvironmentFile":
                environment |= {key: str(each) for key, each in dotenv_values(value).items()}
            elif name == "StateDirectory":
                for state in value.split():
                    (self._home / state.removeprefix("pso").lstrip("/")).mkdir(exist_ok=True)
        with (self._home / "log").open("ab") as log:
            options: dict[str, Any] = {"cwd": self._home, "env": environment, "stdout": log, "stderr": log}
            for name, value in self._directives(service):
                if name == "ExecStartPre":
                    subprocess.run(shlex.split(value), check=True, **options)
                elif name == "ExecStart":
                    self.processes[service] = subprocess.Popen(shlex.split(value), process_group=0, **options)

    def end(self, service, how):
        """Send a signal to all processes of a service, as systemd does, and return its status."""
        process = self.processes.pop(service)
        os.killpg(process.pid, how)
        status = process.wait(120)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return status

    def log(self):
        return (self._home / "log").read_text(errors="replace")


@pytest.fixture
def machine(units, places):
    """One machine with two hotels, after `pso init` and with the settings in `.env`."""
    world = ScriptedWorld()
    for name in ("Astoria", "Bristol"):
        world.add_order(world.add_service(world.add_enterprise(Name=name)), State="Canceled")
    folder, _ = units
    with serve(world, requests_per_window=None) as sandbox:
        assert installed_pso("init", str(places["var"]), DAGSTER_HOME="").status == 0
        settings = {
            "MEWS_PLATFORM_ADDRESS": sandbox.address,
            "MEWS_CLIENT_TOKEN": world.client_token,
            "MEWS_ACCESS_TOKENS": world.access_token,
        }
        with (places["var"] / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())
        machine = Machine(folder, places)
        try:
            yield machine
        finally:
            for service in list(machine.processes):
                machine.end(service, signal.SIGKILL)


def test_the_services_refresh_the_hotels_and_survive_the_code_server(machine, units, places):
    _, port = units
    for service in SERVICES:
        machine.start(service)
    wait_for(lambda: dagster.has_code_location(port))
    address = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{address}/server_info").json()["dagster_webserver_version"]

    def succeeded():
        answer = httpx.post(f"{address}/graphql", json={"query": QUERY}, timeout=30).json()
        return answer["data"]["runsOrError"]["count"]

    # the sensors request it
    assert wait_for(succeeded), machine.log()
    assert (places["var"] / "data/bi/pso_bi.duckdb").exists()
    assert list((places["var"] / "tmp").glob("pso-pipeline-*"))

    machine.end("pso-code-server", signal.SIGKILL)
    wait_for(lambda: not dagster.has_code_location(port))
    machine.start("pso-code-server")
    wait_for(lambda: dagster.has_code_location(port))

    assert [machine.end(service, signal.SIGTERM) for service in reversed(SERVICES)] == [0, 0, 0]


def test_compose_gives_dagster_its_file_with_and_without_postgres(postgres, tmp_path):
    """The command of the service `instance`, with the files that both Compose files mount."""
    files = [yaml.safe_load((SINGLE / f"{name}.yaml").read_text()) for name in ("compose", "compose.postgres")]
    home, mounted = tmp_path / "home", tmp_path / "dagster"
    home.mkdir()
    mounted.mkdir()
    *_, command = files[0]["services"]["instance"]["command"]
    command = command.replace("/etc/pso/dagster", str(mounted)).replace("$$", "$")
    database = postgres.new_database()
    address = f"pso@127.0.0.1:{postgres.port}/{database}"
    storages = []
    for file in files:
        for config in file["services"]["instance"]["configs"]:
            text = (SINGLE / file["configs"][config["source"]]["file"]).read_text()
            text = text.replace("pso@/dagster?host=/run/postgresql", address)
            (mounted / Path(config["target"]).name).write_text(text)
        environment = os.environ | {"DAGSTER_HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-c", command], env=environment, check=True, capture_output=True)
        with DagsterInstance.from_config(str(home)) as instance:
            assert instance.run_monitoring_enabled
            storages.append(instance.run_storage)
    assert [isinstance(storage, PostgresRunStorage) for storage in storages] == [False, True]
    assert postgres.sql(database, "SELECT count(*) FROM runs") == [(0,)]


def test_the_addition_of_postgres_follows_the_specification():
    program = BIN / "check-jsonschema"
    file = SINGLE / "compose.postgres.yaml"
    subprocess.run([program, "--builtin-schema", "vendor.compose-spec", file], check=True, capture_output=True)
    base, addition = (yaml.safe_load((SINGLE / name).read_text()) for name in ("compose.yaml", file.name))
    assert set(addition["services"]) - set(base["services"]) == {"postgres"}
    assert not any("ports" in service for service in addition["services"].values())


async def ui(request):
    return PlainTextResponse("the web UI")


async def company_login(request):
    if request.url.path == "/oauth2/sign_in":
        return PlainTextResponse("sign in here")
    return PlainTextResponse("", 202 if "signed_in" in request.cookies else 401)


@contextlib.contextmanager
def running(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield
        finally:
            process.terminate()


def caddy(name, folder, port, upstreams):
    """Return the command that runs Caddy with one of the files, without TLS."""
    hashed = subprocess.run(
        ["caddy", "hash-password", "--plaintext", PASSWORD], check=True, capture_output=True, text=True
    ).stdout.strip()
    text = (SINGLE / name).read_text().replace("HASH-OF-THE-PASSWORD", hashed)
    text = text.replace(f"{NAME} {{", f"http://{NAME}:{port} {{")
    for before, after in upstreams.items():
        text = text.replace(before, after.removeprefix("http://"))
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n}\n" + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


def nginx(folder, port, upstreams):
    """Return the command that runs nginx with the file, and a certificate made for it."""
    run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}"]
    subprocess.run([*run, "-keyout", folder / "key", "-out", folder / "crt"], check=True, capture_output=True)
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True
    ).stdout.strip()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    folder.chmod(0o755)
    text = (SINGLE / "nginx.conf").read_text().replace("listen 443", f"listen 127.0.0.1:{port}")
    for before, after in {
        "/etc/ssl/dagster.crt": f"{folder}/crt",
        "/etc/ssl/dagster.key": f"{folder}/key",
        "/etc/nginx/dagster.htpasswd": f"{folder}/htpasswd",
        "http://127.0.0.1:3000": upstreams["127.0.0.1:3000"],
    }.items():
        text = text.replace(before, after)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} pid {folder}/pid; error_log stderr; daemon off; events {{}} http {{ access_log off; {text} }}"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def ask(port, scheme="http", **headers):
    """Return the answer of the proxy to a request by its name; None as long as it does not listen."""
    # the certificate was made for this test
    with contextlib.suppress(httpx.ConnectError), httpx.Client(verify=False, timeout=60) as client:
        return client.get(
            f"{scheme}://127.0.0.1:{port}/", headers={"Host": NAME, **headers}, extensions={"sni_hostname": NAME}
        )


@pytest.fixture
def upstreams():
    with (
        serving(Starlette(routes=[Route("/{path:path}", ui)])) as (address, _),
        serving(Starlette(routes=[Route("/{path:path}", company_login)])) as (login, _),
    ):
        yield {"127.0.0.1:3000": address, "127.0.0.1:4180": login}


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_a_proxy_asks_for_a_login_and_refuses_foreign_pages(proxy, upstreams, tmp_path):
    port = free_port()
    command = caddy("Caddyfile", tmp_path, port, upstreams) if proxy == "caddy" else nginx(tmp_path, port, upstreams)
    scheme = "http" if proxy == "caddy" else "https"
    login = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    wrong = {"Authorization": "Basic " + base64.b64encode(f"{USER}:wrong".encode()).decode()}
    with running(command):
        assert wait_for(lambda: ask(port, scheme)).status_code == 401
        assert ask(port, scheme, **wrong).status_code == 401
        assert ask(port, scheme, **login).text == "the web UI"
        assert ask(port, scheme, **login, Origin=f"https://{NAME}").status_code == 200
        assert ask(port, scheme, **login, Origin="https://elsewhere.example").status_code == 403


def test_the_login_of_a_company_comes_before_the_web_ui(upstreams, tmp_path):
    port = free_port()
    with running(caddy("Caddyfile.oauth2", tmp_path, port, upstreams)):
        answer = wait_for(lambda: ask(port))
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("/oauth2/sign_in?rd=")
        assert ask(port, Cookie="signed_in=1").text == "the web UI"
        assert ask(port, Cookie="signed_in=1", Origin="https://elsewhere.example").status_code == 403
        assert httpx.get(f"http://127.0.0.1:{port}/oauth2/sign_in", headers={"Host": NAME}).text == "sign in here"


def test_caddy_does_not_start_before_a_password_is_set():
    done = subprocess.run(
        ["caddy", "validate", "--adapter", "caddyfile", "--config", SINGLE / "Caddyfile"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode != 0
    assert "base64" in done.stderr
