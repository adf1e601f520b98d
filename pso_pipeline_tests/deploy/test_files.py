"""The files in `deploy/` are valid, and name what exists: settings, versions, files, classes."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance
from dagster_aws.s3 import S3ComputeLogManager
from dagster_celery.launcher import CeleryRunLauncher
from dagster_k8s import K8sRunLauncher

from pso_pipeline import __version__
from pso_pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = sorted(DEPLOY.glob("*/compose.yaml"))
VALUES = yaml.safe_load((DEPLOY / "kubernetes/values.yaml").read_text())
MANIFESTS = [
    pytest.param(manifest, id=f"{file.name} {manifest['kind']} {manifest['metadata']['name']}")
    for file in (DEPLOY / "kubernetes/manifests.yaml", DEPLOY / "kubernetes/migrate.yaml")
    for manifest in yaml.safe_load_all(file.read_text())
]
TEXTS = {path: path.read_text() for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts}
KUBERNETES = "1.31"
VARIABLES = {
    "PGHOST": "127.0.0.1",
    "PGUSER": "pso",
    "PGPASSWORD": "",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "DAGSTER_LOGS_BUCKET": "logs",
}


def services(file):
    return yaml.safe_load(file.read_text())["services"].items()


def lock(package):
    (line,) = re.findall(rf"^{package}==(\S+)", (ROOT / "requirements-distributed.lock").read_text(), re.MULTILINE)
    return line


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.parent.name)
def test_a_compose_file_follows_the_specification(file):
    program = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([program, "--builtin-schema", "vendor.compose-spec", file], check=True, capture_output=True)


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.parent.name)
def test_what_a_compose_file_refers_to_exists(file):
    content = yaml.safe_load(file.read_text())
    for config in content["configs"].values():
        assert (file.parent / config["file"]).is_file()
    for name, service in services(file):
        if build := service.get("build"):
            context = file.parent / build["context"]
            dockerfile = context / build["dockerfile"]
            assert all((context / lock).is_file() for lock in build.get("args", {}).values())
            assert f" AS {build['target']}\n" in dockerfile.read_text()
        assert set(service.get("secrets", ())) <= set(content["secrets"]), name
        assert {config["source"] for config in service.get("configs", ())} <= set(content["configs"])


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.parent.name)
def test_every_service_has_a_health_check_and_is_restarted(file):
    for name, service in services(file):
        assert service["restart"] in {"unless-stopped", "on-failure"}, name
        assert "healthcheck" in service, name


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.parent.name)
def test_no_secret_is_in_the_environment_of_a_service(file):
    """`docker inspect` shows the environment and the command of a container."""
    for name, service in services(file):
        shown = json.dumps([service.get("environment", {}), service.get("command", "")])
        assert not re.search(r"(password|token|secret|key)[a-z_]*\W{1,5}[\w-]+:", shown, re.IGNORECASE), name
        for variable, value in service.get("environment", {}).items():
            is_secret = re.search("PASSWORD|TOKEN|SECRET|KEY|BROKER", variable)
            assert not is_secret or value.startswith("/run/secrets/"), f"{name}: {variable}"


def test_the_ports_of_a_machine_are_not_open_to_the_network():
    for file in COMPOSE:
        for name, service in services(file):
            for port in service.get("ports", ()):
                assert re.match(r"(\$\{\w+:-)?127\.0\.0\.1\}?:", port), f"{name}: {port}"


def validate(*files):
    program = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run([program, "--strict", "-k", KUBERNETES, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_manifests_are_valid():
    validate(DEPLOY / "kubernetes/manifests.yaml", DEPLOY / "kubernetes/migrate.yaml")


@pytest.mark.parametrize("part", ["code server", "dagsterWebserver", "dagsterDaemon", "run"])
def test_what_the_values_say_about_a_pod_is_valid(part, tmp_path):
    """The chart copies these parts into pods, so a pod that consists of them is valid."""
    deployment = VALUES["dagster-user-deployments"]["deployments"][0]
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    if part == "run":
        run = launcher["runK8sConfig"]
        pod = {**run["podSpecConfig"], "restartPolicy": "Never"}
        container = run["containerConfig"] | {"resources": launcher["resources"]}
        kind, spec = "Job", run["jobSpecConfig"]
    else:
        values = deployment if part == "code server" else VALUES[part]
        pod = {"securityContext": values["podSecurityContext"], "volumes": values.get("volumes", [])}
        container = {name: values[name] for name in ("env", "volumeMounts", "resources") if name in values}
        container |= {
            "securityContext": values["securityContext"],
            "envFrom": [{"secretRef": secret} for secret in values.get("envSecrets", ())],
        }
        kind, spec = "Deployment", {"selector": {"matchLabels": {"a": "b"}}}
    container |= {"name": "dagster", "image": f"{deployment['image']['repository']}:{deployment['image']['tag']}"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod | {"containers": [container]}}
    manifest = {
        "apiVersion": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "metadata": {"name": "part"},
        "spec": spec | {"template": template},
    }
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    validate(tmp_path / "manifest.yaml")
    assert pod["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_no_container_is_root(manifest):
    pod = manifest["spec"].get("template", {}).get("spec") if "spec" in manifest else None
    if pod:
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"]["limits"]["memory"]


def test_every_setting_that_a_file_names_exists():
    known = {name.upper() for name in Settings.model_fields}
    named = {name: path for path, text in TEXTS.items() for name in re.findall(r"\b(?:PSO|MEWS)_[A-Z_]+[A-Z]\b", text)}
    assert set(named) <= known
    assert {"PSO_WAREHOUSE", "PSO_LIMITER", "MEWS_PLATFORM_ADDRESS"} <= set(named)


def test_images_and_the_chart_have_the_versions_of_the_locks():
    for path, text in TEXTS.items():
        for tag in re.findall(r"pso-(?:pipeline|pgbouncer|single):([\w.]+)", text):
            assert tag == __version__, path
        for chart in re.findall(r"--version ([\d.]+)", text):
            assert chart == lock("dagster") == version("dagster"), path
    images = [VALUES[part]["image"] for part in ("dagsterWebserver", "dagsterDaemon")]
    images += [deployment["image"] for deployment in VALUES["dagster-user-deployments"]["deployments"]]
    assert {image["tag"] for image in images} == {__version__}
    dockerfile = TEXTS[DEPLOY / "Dockerfile"]
    assert set(re.findall(r"FROM python:(\d+\.\d+)", dockerfile)) == {"3.11"}
    assert "ARG LOCK=requirements-distributed.lock\n" in dockerfile
    assert "--require-hashes -r ${LOCK}\n" in dockerfile


def test_what_the_image_copies_is_enough_to_build_the_package(tmp_path):
    """Without Docker: the files of its COPY lines, and its own command for pip."""
    (stage,) = re.findall(r"AS packages\n(.*?)\nFROM ", TEXTS[DEPLOY / "Dockerfile"], re.DOTALL)
    allowed = TEXTS[DEPLOY / "Dockerfile.dockerignore"].splitlines()
    for line in re.findall(r"^COPY (.*)", stage, re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            assert f"!{source}" in allowed
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tmp_path / target)
            else:
                shutil.copy(ROOT / source, tmp_path / target)
    command = "-m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir built ."
    subprocess.run([sys.executable, *command.split()], cwd=tmp_path, check=True)
    assert list(tmp_path.glob(f"built/pso_pipeline-{__version__}-*.whl"))


def test_the_image_runs_as_an_ordinary_user():
    stages = re.split(r"^FROM ", TEXTS[DEPLOY / "Dockerfile"], flags=re.MULTILINE)
    for stage in stages[2:]:
        assert re.findall(r"^USER (\w+)", stage, re.MULTILINE) in (["pso"], ["postgres"])
        assert "HEALTHCHECK" in stage


@pytest.fixture
def instance(postgres, tmp_path, monkeypatch):
    """Return a function that opens Dagster's instance from the text of a `dagster.yaml`, on a real PostgreSQL."""
    for name, value in (VARIABLES | {"PGPORT": str(postgres.port)}).items():
        monkeypatch.setenv(name, value)
    databases = {database for (database,) in postgres.sql("postgres", "SELECT datname FROM pg_database")}
    if "dagster" not in databases:
        postgres.new_database("dagster")

    def open_instance(text):
        (tmp_path / "dagster.yaml").write_text(text)
        return DagsterInstance.from_config(str(tmp_path))

    return open_instance


def is_lease_of_a_shard(limits):
    return limits == [{"key": "pso/shard", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}]


def test_dagster_opens_the_instance_of_several_machines(instance):
    with instance((DEPLOY / "celery/dagster.yaml").read_text()) as opened:
        assert opened.get_runs_count() == 0
        assert isinstance(opened.run_launcher, CeleryRunLauncher)
        assert isinstance(opened.compute_log_manager, S3ComputeLogManager)
        assert opened.run_monitoring_enabled
        assert opened.run_monitoring_max_runtime_seconds > 0
        assert is_lease_of_a_shard(opened.get_concurrency_config().run_queue_config.tag_concurrency_limits)


def test_a_run_on_that_storage_is_stored_and_notified(instance):
    """With another driver than psycopg2 each event fails."""
    from dagster import job, op

    @op
    def nothing():
        pass

    @job
    def trivial():
        nothing()

    text = (DEPLOY / "celery/dagster.yaml").read_text()
    with instance(re.sub(r"^(run_launcher|compute_logs):\n(?:  .*\n)+", "", text, flags=re.MULTILINE)) as opened:
        assert trivial.execute_in_process(instance=opened).success
        assert opened.get_runs_count() > 0


def test_the_workers_can_execute_all_runs_that_are_handed_out():
    """A run that finds no free worker fails after its start timeout."""
    worker = dict(services(DEPLOY / "compose/compose.yaml"))["worker"]
    (at_once,) = [int(part.partition("=")[2]) for part in worker["command"] if part.startswith("--concurrency=")]
    limits = yaml.safe_load((DEPLOY / "celery/dagster.yaml").read_text())["concurrency"]
    assert worker["deploy"]["replicas"] * at_once >= limits["runs"]["max_concurrent_runs"]
    assert limits["pools"]["default_limit"] < limits["runs"]["max_concurrent_runs"]


def test_the_values_for_kubernetes_agree_with_the_file_for_celery():
    """The chart itself could not be run; these names are those of its schema."""
    celery = yaml.safe_load((DEPLOY / "celery/dagster.yaml").read_text())
    assert VALUES["postgresql"]["postgresqlScheme"] == celery["storage"]["postgres"]["postgres_db"]["scheme"]
    runs = VALUES["concurrency"]["runs"]
    assert is_lease_of_a_shard(runs["tagConcurrencyLimits"])
    assert VALUES["concurrency"]["pools"]["granularity"] == celery["concurrency"]["pools"]["granularity"]
    assert VALUES["dagsterDaemon"]["runMonitoring"]["maxRuntimeSeconds"] > 0
    assert VALUES["runLauncher"]["type"] == K8sRunLauncher.__name__
    assert VALUES["retention"]["sensor"]["purgeAfterDays"] == celery["retention"]["sensor"]["purge_after_days"]


def test_the_launcher_of_kubernetes_accepts_its_settings(instance):
    """What the chart writes into `dagster.yaml` from the values, in the launcher's own names."""
    config = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    run = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): value for name, value in config.pop("runK8sConfig").items()}
    launcher = {
        "module": "dagster_k8s",
        "class": "K8sRunLauncher",
        "config": {
            "load_incluster_config": False,
            "kubeconfig_file": "kubeconfig",
            "service_account_name": "dagster",
            "instance_config_map": "dagster-instance",
            "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
            "image_pull_policy": config["imagePullPolicy"],
            "fail_pod_on_run_failure": config["failPodOnRunFailure"],
            "resources": config["resources"],
            "run_k8s_config": run,
        },
    }
    Path("kubeconfig").write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    content = yaml.safe_load((DEPLOY / "celery/dagster.yaml").read_text()) | {"run_launcher": launcher}
    with instance(yaml.safe_dump(content)) as opened:
        assert isinstance(opened.run_launcher, K8sRunLauncher)


def test_the_rules_for_alerts_are_valid():
    found = shutil.which("promtool")
    assert found, "these tests need promtool: apt-get install prometheus"
    subprocess.run([found, "check", "rules", "--lint-fatal", DEPLOY / "monitoring/alerts.yml"], check=True)


def test_the_entry_script_reads_secrets_from_files(tmp_path):
    (tmp_path / "secrets/directory").mkdir(parents=True)
    (tmp_path / "secrets/mews_client_token").write_text("a 'token' with $signs\n")
    (tmp_path / "secrets/aws_access_key_id").touch()
    program = "import os; print(os.environ['MEWS_CLIENT_TOKEN'], os.environ.get('AWS_ACCESS_KEY_ID'))"
    done = subprocess.run(
        [DEPLOY / "entrypoint.sh", sys.executable, "-c", program],
        env=os.environ | {"SECRETS_DIR": str(tmp_path / "secrets")},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "a 'token' with $signs None\n"
