"""Tests of `pso status`: the state of each hotel and of the pipeline, as a table, as JSON, and its errors."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import filelock
import pytest
from click.testing import CliRunner
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat

from pso_pipeline.cli import environment, main, prometheus, status
from pso_pipeline.cli import pipeline as cli_pipeline
from pso_pipeline.cli.instance import open_instance
from pso_pipeline.orchestration.definitions import PIPELINE
from pso_pipeline.orchestration.evaluations import api_evaluation
from pso_pipeline.orchestration.steps import list_enterprises, list_services, sync
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.fakes.scripted import ScriptedWorld

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def world():
    world = ScriptedWorld()
    for name in ("Astoria", "Bristol"):
        service = world.add_service(world.add_enterprise(Name=name))
        for _ in range(2):
            world.add_order(service)
    return world


def read():
    with DagsterInstance.ephemeral() as instance:
        list_enterprises(PIPELINE, instance)
    list_services(PIPELINE)
    sync(PIPELINE, None)


def run(*arguments, colours=False):
    variables = {"FORCE_COLOR": "1", "COLUMNS": "200", "TERM": "xterm"} if colours else {}
    return CliRunner().invoke(main, ["status", *arguments], env=variables)


def states(outcome):
    return {each["partition_key"]: each["status"] for each in json.loads(outcome.stdout)}


def services_of(world, name):
    snapshot = world.snapshot(world.clock.now())
    (hotel,) = [each["Id"] for each in snapshot.enterprises if each["Name"] == name]
    return [each for each in snapshot.services if each["EnterpriseId"] == hotel]


def test_hotels_that_are_up_to_date_are_fresh(sandbox):
    read()
    outcome = run("--json")
    assert outcome.exit_code == 0
    hotel = json.loads(outcome.stdout)[0]
    assert (hotel["name"], hotel["status"], hotel["orders"]) == ("Astoria", "fresh", 2)
    assert 0 <= hotel["lag_seconds"] < 600
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", hotel["watermark_utc"])
    assert hotel["last_error"] is None


def test_a_failing_hotel_is_shown_with_the_reason(sandbox, world):
    read()
    world.refuse_service(services_of(world, "Bristol")[0])
    read()
    outcome = run("--json")
    assert outcome.exit_code == 1
    assert states(outcome) == {"astoria-00000001": "fresh", "bristol-00000007": "failing"}
    assert "status 400, RequestId" in json.loads(outcome.stdout)[1]["last_error"]


def test_a_hotel_that_was_not_read_for_hours_is_stale(sandbox, monkeypatch):
    read()
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0.000000001")
    outcome = run("--json")
    assert outcome.exit_code == 1
    assert set(states(outcome).values()) == {"stale"}


def test_a_hotel_that_was_never_read_is_shown_as_such(sandbox, world):
    world.add_service(world.add_enterprise(Name="Carlton"))
    read()
    world.add_service(world.add_enterprise(Name="Dorset"))
    with DagsterInstance.ephemeral() as instance:
        list_enterprises(PIPELINE, instance)
    list_services(PIPELINE)
    outcome = run("--json")
    assert outcome.exit_code == 1
    assert [key for key, state in states(outcome).items() if state == "never read"] == ["dorset-0000000f"]


def test_a_hotel_that_no_token_can_access_is_out_of_scope_and_not_a_failure(sandbox, world):
    read()
    (bristol,) = [each for each in world.snapshot(world.clock.now()).enterprises if each["Name"] == "Bristol"]
    world.remove(bristol)
    with DagsterInstance.ephemeral() as instance:
        list_enterprises(PIPELINE, instance)
    outcome = run("--json")
    assert outcome.exit_code == 0
    assert states(outcome) == {"astoria-00000001": "fresh", "bristol-00000007": "out of scope"}


def test_a_hotel_without_services_is_not_fresh(sandbox, world):
    world.add_enterprise(Name="Empty")
    read()
    outcome = run("--json")
    (empty,) = [each for each in json.loads(outcome.stdout) if each["name"] == "Empty"]
    assert empty["status"] == "no services listed"
    assert empty["reason"] == "services/getAll lists no service of it that orders can be made against"
    assert "no services listed" in run().stdout


def test_the_table_has_a_coloured_line_for_each_hotel(sandbox, world):
    read()
    world.refuse_service(services_of(world, "Bristol")[0])
    read()
    shown = run(colours=True).stdout
    assert "\x1b[32mfresh" in shown
    assert "\x1b[31mfailing" in shown
    summary, _, header, bristol, astoria, _, reason, *_ = COLOUR.sub("", shown).splitlines()
    assert summary == "2 hotels: 1 failing, 1 fresh; 4 orders"
    assert header.split() == ["hotel", "status", "lag", "orders"]
    assert bristol.split()[:2] == ["bristol-00000007", "failing"], "trouble comes first"
    assert astoria.split()[:2] == ["astoria-00000001", "fresh"]
    assert reason.startswith("bristol-00000007: productServiceOrders/getAll: ")


def test_it_fits_60_columns_and_a_shared_reason_is_printed_once(sandbox, world, monkeypatch):
    monkeypatch.setattr(environment, "PIPE_WIDTH", 60)
    hotel = world.add_enterprise(Name="A hotel with a name that is longer than most of the others")
    world.add_order(world.add_service(hotel))
    read()
    for name in ("Astoria", "Bristol"):
        world.refuse_service(services_of(world, name)[0])
    read()
    shown = run().stdout
    assert max(map(len, shown.splitlines())) <= 60
    assert " ".join(shown.split()).count("astoria-00000001, bristol-00000007: productServiceOrders/getAll") == 1
    assert shown.count("RequestId") == 1
    failing = run("--failing").stdout
    assert "bristol-00000007" in failing
    assert "a-hotel-with" not in failing


def test_watching_shows_it_again_until_ctrl_c(sandbox, monkeypatch):
    read()
    pauses = []

    def interrupt_the_second(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("pso_pipeline.cli.status.time.sleep", interrupt_the_second)
    outcome = run("--watch")
    assert outcome.exit_code == 0
    assert outcome.stdout.count("2 hotels: 2 fresh") == 2


def test_prometheus_can_read_it(sandbox, world):
    read()
    world.refuse_service(services_of(world, "Bristol")[0])
    read()
    outcome = run("--prometheus")
    lines = outcome.stdout.splitlines()
    assert outcome.exit_code == 1
    assert 'pso_hotel_orders{hotel="astoria-00000001"} 2' in lines
    assert 'pso_hotel_failing{hotel="bristol-00000007"} 1' in lines
    assert 'pso_hotels{state="fresh"} 1' in lines
    assert "pso_daemon_alive 0" in lines
    assert any(line.startswith('pso_disk_free_bytes{folder="PSO_WAREHOUSE"} ') for line in lines)
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.e+-]+')
    assert all(line.startswith(("# HELP pso_", "# TYPE pso_")) or sample.fullmatch(line) for line in lines)


def test_one_form_at_a_time(sandbox):
    outcome = run("--json", "--prometheus")
    assert (outcome.exit_code, outcome.stderr) == (2, "pso: choose one of --json, --prometheus and --watch\n")


def test_the_alert_rules_and_the_page_name_metrics_that_exist():
    root = Path(__file__).parents[2]
    for name in ("deploy/monitoring/alerts.yml", "docs/monitoring.md"):
        used = set(re.findall(r"\bpso_(?!pipeline)[a-z_]+", (root / name).read_text(encoding="utf-8")))
        assert used
        assert used <= set(prometheus.METRICS)
    assert used == set(prometheus.METRICS)


def test_in_a_pipe_there_are_no_colours(sandbox):
    read()
    assert "\x1b" not in run().stdout


def test_an_empty_warehouse_is_an_error_that_names_the_command(sandbox):
    outcome = run()
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr == "pso: data/warehouse.duckdb contains no orders yet: run `pso refresh`\n"


def test_it_needs_no_api_settings_and_a_malformed_one_is_named(monkeypatch):
    assert run().stderr == "pso: data/warehouse.duckdb contains no orders yet: run `pso refresh`\n"
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0")
    outcome = run()
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("pso: PSO_STALE_AFTER_HOURS is not valid: ")


def test_a_locked_warehouse_is_an_error_that_names_the_process(sandbox, monkeypatch):
    read()
    monkeypatch.setattr(status, "LONGEST_WAIT_SECONDS", 0.1)
    with filelock.FileLock(Warehouse("data/warehouse.duckdb").lock_path):
        outcome = run()
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("pso: another pso_pipeline process (PID ")
    assert " has held " in outcome.stderr


def test_a_file_that_is_not_a_warehouse_is_one_line(sandbox, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "warehouse.duckdb").write_text("not a database")
    outcome = run()
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("pso: data/warehouse.duckdb is damaged, or no DuckDB file: ")
    assert len(outcome.stderr.splitlines()) == 1


@pytest.fixture
def published(sandbox):
    """Run `pso refresh` once."""
    assert CliRunner().invoke(main, ["refresh"]).exit_code == 0


def pipeline(outcome):
    return json.loads(outcome.stdout)[0]["pipeline"]


def test_a_publication_is_shown_with_its_age(published):
    outcome = run("--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    state = pipeline(outcome)
    assert (state["problems"], state["daemon"], state["daemon_seen_utc"]) == ([], "none", None)
    assert 0 <= state["age_seconds"] < 600
    assert state["published_utc"] >= state["as_of_utc"]
    *_, snapshot, daemon = run().stdout.splitlines()
    assert re.fullmatch(r"snapshot: published \d+ \w+ ago, with changes until \d+ \w+ ago", snapshot)
    assert daemon == "daemon:   has never run here"


def test_a_failed_publication_is_status_1_with_the_reason(published, monkeypatch, tmp_path):
    (tmp_path / "data" / "bi" / "versions" / ".building").mkdir(exist_ok=True)
    monkeypatch.setenv("PSO_BI_DIR", "data/warehouse.duckdb")
    assert CliRunner().invoke(main, ["refresh"]).exit_code == 1
    outcome = run("--json")
    assert outcome.exit_code == 1
    assert any("nothing was published" in problem for problem in pipeline(outcome)["problems"])
    assert "pso: PSO_BI_DIR data/warehouse.duckdb is not a folder" in outcome.stderr.splitlines()


def test_a_missing_snapshot_after_refreshes_is_status_1(published, monkeypatch):
    monkeypatch.setenv("PSO_BI_DIR", "data/elsewhere")
    outcome = run()
    assert outcome.exit_code == 1
    assert outcome.stderr == "pso: nothing is published in data/elsewhere: run `pso refresh`\n"


def test_an_old_snapshot_is_status_1(published, monkeypatch):
    monkeypatch.setenv("PSO_STALE_AFTER_HOURS", "0.000000001")
    assert "pso: the snapshot has the changes up to " in run().stderr


def test_a_full_disk_is_status_1(published, monkeypatch):
    monkeypatch.setattr(cli_pipeline, "LEAST_ROOM", 10**30)
    outcome = run()
    assert outcome.exit_code == 1
    for name in ("PSO_BI_DIR", "DAGSTER_HOME", "PSO_WAREHOUSE"):
        assert re.search(rf"pso: the disk of {name} \S+ is full: make room", outcome.stderr)


def test_an_unreachable_api_is_status_1(published):
    with open_instance(Path("data/dagster")) as instance:
        instance.report_runless_asset_event(api_evaluation("enterprises/getAll: nothing listens there"))
        assert run().stderr == "pso: the API does not answer: enterprises/getAll: nothing listens there\n"
        instance.report_runless_asset_event(api_evaluation(None))
    assert run().exit_code == 0


def beat(ago):
    with open_instance(Path("data/dagster")) as instance:
        seen = datetime.now(UTC) - ago
        instance.add_daemon_heartbeat(DaemonHeartbeat(seen.timestamp(), "SENSOR", "1", []))
    return seen


def test_a_daemon_is_alive_dead_or_replaced(published):
    beat(timedelta(seconds=20))
    assert pipeline(run("--json"))["daemon"] == "alive"
    assert run().stdout.splitlines()[-1] == "daemon:   alive"
    seen = beat(timedelta(minutes=7))
    outcome = run("--json")
    assert (outcome.exit_code, pipeline(outcome)["daemon"]) == (1, "dead")
    assert outcome.stderr.startswith(f"pso: the daemon was last alive at {seen:%Y-%m-%d %H:%M:%S} UTC: ")
    assert CliRunner().invoke(main, ["refresh"]).exit_code == 0
    outcome = run("--json")
    assert (outcome.exit_code, pipeline(outcome)["daemon"]) == (0, "replaced")


def test_damaged_files_of_dagster_are_one_line(published):
    Path("data/dagster/history/runs.db").write_bytes(b"not a database" * 1000)
    outcome = run()
    assert outcome.exit_code == 1
    assert outcome.stderr.splitlines() == [
        f"pso: DAGSTER_HOME {Path('data/dagster').absolute()} cannot be used: file is not a database"
    ]
    refreshed = CliRunner().invoke(main, ["refresh"])
    assert (refreshed.exit_code, refreshed.stderr) == (1, outcome.stderr)


def test_hotels_out_of_scope_are_listed_separately(sandbox, world):
    read()
    (bristol,) = [each for each in world.snapshot(world.clock.now()).enterprises if each["Name"] == "Bristol"]
    world.remove(bristol)
    with DagsterInstance.ephemeral() as instance:
        list_enterprises(PIPELINE, instance)
    _, first, second, *_ = run().stdout.split("\n\n")
    assert "astoria" in first
    assert "bristol" not in first
    assert second.splitlines()[0].split()[:3] == ["out", "of", "scope"]
    key, *_, orders = second.splitlines()[1].split()
    assert (key, orders) == ("bristol-00000007", "2")
