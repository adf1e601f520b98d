"""A refresh that several machines execute: the same data as one run makes, one run of a shard at a time, none lost."""

import itertools
import re
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from pso_pipeline.cli.environment import prepare_dagster_home
from pso_pipeline.contract.marts import MART_TABLES, OPS_REFRESHES
from pso_pipeline.mews.tokens import Token
from pso_pipeline.orchestration.definitions import PIPELINE, defs
from pso_pipeline.orchestration.outcomes import read_last_outcome
from pso_pipeline.orchestration.queue import Refresh, request_refresh, request_run
from pso_pipeline.orchestration.recovery import ATTEMPT_TAG
from pso_pipeline.orchestration.shard_jobs import SHARD_JOBS
from pso_pipeline.orchestration.shards import REFRESH_TAG, SHARD_TAG, lease
from pso_pipeline.orchestration.stages import plan_stage
from pso_pipeline.warehouse.reading import EnterpriseRow
from pso_pipeline_tests.cli.conftest import PSO, pso
from pso_pipeline_tests.cli.test_serving import wait_for
from pso_pipeline_tests.orchestration.sharded import execute, refresh_shards

NORTH, SOUTH, WEST = (Token(name).fingerprint for name in ("north", "south", "west"))
SYNCS = {f"sync:{token}" for token in (NORTH, SOUTH, WEST)}
LANDED = (
    "mews.enterprises",
    "mews.services",
    "mews.product_service_orders",
    "mews.product_service_order_versions",
    "mews.rejected_records",
)
MARTS = [f"mart.{table.name}" for table in MART_TABLES if table is not OPS_REFRESHES]
"""Tables that do not depend on when and by which runs they were made."""


@pytest.fixture
def world(world):
    """Three tokens: the first for the two hotels that are there, the others for one hotel each."""
    hotels = world.snapshot(world.clock.now()).enterprises
    world.grant("north", hotels)
    for token, name in (("south", "Capitol"), ("west", "Dorset")):
        hotel = world.add_enterprise(Name=name)
        world.grant(token, [hotel])
        for state in ("Confirmed", "Processed"):
            world.add_order(world.add_service(hotel), State=state)
    return world


@pytest.fixture
def sharded(sandbox, monkeypatch):
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "north,south,west")
    monkeypatch.setenv("PSO_SHARDED", "1")
    monkeypatch.setenv("PSO_HOTEL_RANGES", "3")
    return sandbox


def rows(connection, table):
    """The rows of a table without the times at which this machine read them, which bound their watermark."""
    read_at = "('fetched_utc', 'observed_utc', 'observed_at', 'as_of_utc', 'items_as_of_utc')"
    return connection.execute(f"SELECT COLUMNS(name -> name NOT IN {read_at}) FROM {table} ORDER BY ALL").fetchall()


def contents(location, monkeypatch):
    """Everything that is in a warehouse."""
    monkeypatch.setenv("PSO_WAREHOUSE", location)
    with PIPELINE.warehouse().open() as connection:
        progress = connection.execute("SELECT endpoint, scope_id, last_error FROM mews.sync_state ORDER BY ALL")
        return {"progress": progress.fetchall()} | {table: rows(connection, table) for table in (*LANDED, *MARTS)}


def published(folder):
    with duckdb.connect(f"{folder}/pso_bi.duckdb", read_only=True) as snapshot:
        return {table: rows(snapshot, table) for table in MARTS}


def test_a_sharded_refresh_lands_computes_and_publishes_what_one_run_does(daemon, sharded, world, monkeypatch):
    # ids of accounts are hashed with a key of the warehouse otherwise
    monkeypatch.setenv("PSO_KEEP_PERSONAL_DATA", "plain")
    world.clock.freeze()
    for minute in range(2):
        monkeypatch.setenv("PSO_WAREHOUSE", "one.duckdb")
        monkeypatch.setenv("PSO_BI_DIR", "one")
        assert defs.get_job_def("refresh").execute_in_process(instance=daemon.instance).success
        monkeypatch.setenv("PSO_WAREHOUSE", "many.duckdb")
        monkeypatch.setenv("PSO_BI_DIR", "many")
        stages = refresh_shards(daemon)
        assert all(all(stage.values()) for stage in stages)
        assert (stages[0].keys(), stages[1].keys()) == ({"discover"}, SYNCS)
        assert len(stages[2]) > 1
        assert all(shard.startswith("derive:") and shard.endswith(" of 3") for shard in stages[2])
        assert [set(stage) for stage in stages[3:]] == [{"check"}, {"publish"}]
        one, many = (contents(location, monkeypatch) for location in ("one.duckdb", "many.duckdb"))
        assert many == one
        assert len(many["mews.product_service_order_versions"]) == 10 + minute
        assert published("many") == published("one")
        world.clock.advance(60)
        order = world.snapshot(world.clock.now()).orders[0]
        world.change(order, State="Canceled", CancelledUtc="2024-01-01T00:00:00Z")
    assert daemon.tick("refresh_stages").skip_message == "0 refresh(es) under way"


def problem_of(instance):
    """Why the last refresh published nothing, or nothing."""
    outcome = read_last_outcome(instance)
    assert outcome is not None
    return outcome.problem or ""


def test_a_token_that_fails_stops_no_other_and_is_reported_once(daemon, sharded, world):
    refresh_shards(daemon)
    daemon.tick("hotel_alerts")
    world.revoke("south")
    for messages in (1, 0):
        stages = refresh_shards(daemon)
        failed = {shard for stage in stages for shard, succeeded in stage.items() if not succeeded}
        assert failed == {"discover", f"sync:{SOUTH}"}
        assert stages[1].keys() == SYNCS
        assert [set(stage) for stage in stages[3:]] == [{"check"}, {"publish"}]
        assert problem_of(daemon.instance) == ""
        assert daemon.tick("hotel_alerts").skip_message == f"{messages} new message(s), 1 failing hotel(s)"
    status = pso("status").out
    assert "capitol" in status
    assert len(re.findall(r"^\S+ +failing ", status, re.MULTILINE)) == 1
    written = "".join(f"{run.tags} {run.run_config}" for run in daemon.instance.get_runs())
    assert all(token not in written for token in ("north", "south", "west"))
    assert f"sync:{SOUTH}" in written


def test_a_machine_without_the_token_says_so_until_one_with_it_reads(daemon, sharded, monkeypatch):
    instance = daemon.instance
    daemon.read()
    request = request_run(instance, "sync", Refresh(), "hourly_refresh", {SHARD_TAG: f"sync:{WEST}"})
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "north,south")
    assert not execute(instance, request).success
    problem = problem_of(instance)
    assert problem.startswith("MEWS_ACCESS_TOKENS on ")
    assert f"has no token with the fingerprint {WEST}: " in problem
    monkeypatch.setenv("MEWS_ACCESS_TOKENS", "north,south,west")
    assert execute(instance, request).success
    assert read_last_outcome(instance) is None, "nothing was published yet"


def test_full_reads_of_two_tokens_do_not_wait_for_each_other(daemon, sharded):
    daemon.read()
    with PIPELINE.warehouse().resyncing():
        done = defs.get_job_def("sync").execute_in_process(
            instance=daemon.instance,
            run_config={
                "ops": {"sync_token": {"config": {"full": True}}},
                "resources": {"pipeline": {"config": {"wait_seconds": 1}}},
            },
            tags={SHARD_TAG: f"sync:{WEST}"},
            raise_on_error=False,
        )
    assert done.success
    assert done.output_for_node("sync_token").enterprises[0].reconciled is not None


@pytest.mark.parametrize("job", ["sync", "derive"])
def test_a_run_without_its_shard_says_which_tag_it_needs(daemon, sharded, job):
    done = defs.get_job_def(job).execute_in_process(instance=daemon.instance, raise_on_error=False)
    (event,) = [event for event in done.all_events if event.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert str(failure.description).startswith("start this job with the tag pso/shard, for example")


HOTELS = [
    EnterpriseRow("1", "astoria", None, NORTH, True),
    EnterpriseRow("2", "bristol", None, NORTH, True),
    EnterpriseRow("3", "capitol", None, SOUTH, True),
    EnterpriseRow("4", "dorset", None, WEST, True),
    EnterpriseRow("5", "left", None, SOUTH, False),
]


@pytest.mark.parametrize(
    ("wanted", "planned"),
    [
        (Refresh(), {NORTH: Refresh(), SOUTH: Refresh()}),
        (Refresh(full=True, look_back_days=3), dict.fromkeys((NORTH, SOUTH), Refresh(full=True, look_back_days=3))),
        (Refresh(frozenset({"astoria"})), {NORTH: Refresh(frozenset({"astoria"}))}),
        (Refresh(frozenset({"astoria", "bristol", "dorset"})), {NORTH: Refresh()}),
        (Refresh(frozenset({"left", "dorset"})), {}),
    ],
)
def test_a_sync_is_planned_for_each_token_of_this_machine_with_its_hotels(wanted, planned):
    found = plan_stage("sync", wanted, HOTELS, [NORTH, SOUTH], 4)
    assert found == {f"sync:{token}": reads for token, reads in planned.items()}


def test_ranges_are_those_of_the_hotels_and_every_hotel_keeps_its_own():
    whole = plan_stage("derive", Refresh(), HOTELS, [], 4)
    single = [plan_stage("derive", Refresh(frozenset({each.partition_key})), HOTELS, [], 4) for each in HOTELS]
    assert all(len(found) == 1 for found in single)
    assert whole.keys() == {shard for found in single for shard in found}


def origin_of(job, location="pso_pipeline"):
    return RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), job)


def make_run(instance, request, status, location="pso_pipeline"):
    """A run as the daemon makes it of a request, of which nothing but its state is known."""
    job = SHARD_JOBS[request.job_name]
    run = instance.create_run_for_job(
        job,
        run_config=request.run_config,
        tags={**job.tags, **request.tags},
        remote_job_origin=origin_of(job.name, location),
    )
    if status is DagsterRunStatus.QUEUED:
        instance.report_dagster_event(DagsterEvent.job_enqueue(run), run_id=run.run_id)
    else:
        instance.report_dagster_event(DagsterEvent(DagsterEventType.PIPELINE_START.value, run.job_name), run.run_id)
    if status not in {DagsterRunStatus.QUEUED, DagsterRunStatus.STARTED}:
        end_run(instance, run.run_id, status)
    return run.run_id


def end_run(instance, run_id, status=DagsterRunStatus.SUCCESS):
    run = instance.get_run_by_id(run_id)
    if status is DagsterRunStatus.SUCCESS:
        instance.report_dagster_event(DagsterEvent(DagsterEventType.PIPELINE_SUCCESS.value, run.job_name), run_id)
    elif status is DagsterRunStatus.FAILURE:
        instance.report_run_failed(run)
    else:
        instance.report_run_canceled(run)


def requested(instance, wanted, requested_by="hourly_refresh"):
    request = request_refresh(instance, wanted, requested_by)
    assert request is not None
    return request


def run_of(instance, run_id):
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def shards(requests):
    return [request.tags[SHARD_TAG] for request in requests]


@pytest.fixture
def synced(daemon, sharded):
    """A refresh whose listing has ended; the requests of its syncs."""
    daemon.read()
    make_run(daemon.instance, request_refresh(daemon.instance, Refresh(), "hourly_refresh"), DagsterRunStatus.SUCCESS)
    requests = daemon.tick("refresh_stages").run_requests
    assert set(shards(requests)) == SYNCS
    return requests


def test_a_killed_sync_is_repeated_and_the_refresh_goes_on_without_it(daemon, synced, monkeypatch):
    instance = daemon.instance
    *others, last = synced
    for request in others:
        make_run(instance, request, DagsterRunStatus.SUCCESS)
    killed = make_run(instance, last, DagsterRunStatus.STARTED)
    assert daemon.tick("refresh_stages").run_requests == [], "one still runs"
    monkeypatch.setattr("pso_pipeline.orchestration.runs.start_timeout", lambda _: timedelta())
    (repeated,) = daemon.tick("killed_runs").run_requests
    assert instance.get_run_by_id(killed).status is DagsterRunStatus.FAILURE
    assert (repeated.job_name, repeated.tags[SHARD_TAG], repeated.tags[ATTEMPT_TAG]) == ("sync", shards([last])[0], "2")
    assert repeated.tags[REFRESH_TAG] != last.tags[REFRESH_TAG]
    assert daemon.tick("killed_runs").run_requests == []
    ranges = daemon.tick("refresh_stages").run_requests
    assert {request.job_name for request in ranges} == {"derive"}
    for request in ranges:
        make_run(instance, request, DagsterRunStatus.SUCCESS)

    make_run(instance, repeated, DagsterRunStatus.SUCCESS)
    check, *following = daemon.tick("refresh_stages").run_requests
    assert shards([check]) == ["check"]
    assert {request.job_name for request in following} == {"derive"}, "what the repeated one read is computed too"
    assert {request.tags[REFRESH_TAG] for request in following} == {repeated.tags[REFRESH_TAG]}


def test_a_daemon_that_lost_its_cursor_starts_nothing_twice(daemon, synced):
    made = [make_run(daemon.instance, request, DagsterRunStatus.QUEUED) for request in synced]
    daemon.cursors.clear()
    assert daemon.tick("refresh_stages").run_requests == []
    for run_id in made:
        end_run(daemon.instance, run_id)
    assert {request.job_name for request in daemon.tick("refresh_stages").run_requests} == {"derive"}


def test_a_killed_daemon_requests_the_same_keys_again(daemon, sharded):
    daemon.read()
    make_run(daemon.instance, request_refresh(daemon.instance, Refresh(), "hourly_refresh"), DagsterRunStatus.SUCCESS)
    first = daemon.tick("refresh_stages").run_requests
    make_run(daemon.instance, first[0], DagsterRunStatus.STARTED)
    daemon.cursors.clear()
    known = {request.run_key for request in first}
    assert len(known) == len(SYNCS)
    again = daemon.tick("refresh_stages").run_requests
    assert {request.run_key for request in again} <= known - {first[0].run_key}


def test_a_waiting_run_of_the_same_shard_covers_a_request_and_one_of_another_does_not(daemon, synced):
    instance, (first, *others) = daemon.instance, synced
    waiting = make_run(instance, first, DagsterRunStatus.QUEUED)

    def ask(shard, reads):
        return request_run(instance, "sync", reads, "hourly_refresh", {SHARD_TAG: shard, REFRESH_TAG: "other"})

    (shard,) = shards([first])
    assert ask(shard, Refresh(frozenset({"a"}))) is None
    assert ask(shard, Refresh()) is None
    assert ask(shards(others)[0], Refresh()) is not None
    assert instance.get_run_by_id(waiting).status is DagsterRunStatus.QUEUED
    more = ask(shard, Refresh(frozenset({"a"}), full=True))
    assert more.run_config == {"ops": {"sync_token": {"config": {"full": True}}}}, (
        "and what the replaced one was to read"
    )
    assert instance.get_run_by_id(waiting).status is DagsterRunStatus.CANCELED
    by_hand = make_run(instance, first.with_replaced_attrs(tags={SHARD_TAG: shard}), DagsterRunStatus.QUEUED)
    assert ask(shard, Refresh()) is not None
    assert instance.get_run_by_id(by_hand).status is DagsterRunStatus.QUEUED


def test_a_refresh_whose_syncs_all_wait_already_leaves_the_rest_to_the_other_one(daemon, synced):
    instance = daemon.instance
    waiting = [make_run(instance, request, DagsterRunStatus.QUEUED) for request in synced]
    make_run(instance, request_refresh(instance, Refresh(), "hourly_refresh"), DagsterRunStatus.SUCCESS)
    outcome = daemon.tick("refresh_stages")
    assert (outcome.run_requests, outcome.skip_message) == ([], "1 refresh(es) under way")
    for run_id in waiting:
        end_run(instance, run_id)
    requests = daemon.tick("refresh_stages").run_requests
    assert {request.tags[REFRESH_TAG] for request in requests} == {synced[0].tags[REFRESH_TAG]}


def test_a_refresh_that_another_one_replaced_in_the_queue_is_given_up(daemon, sharded):
    instance = daemon.instance
    daemon.read()
    first = request_refresh(instance, Refresh(frozenset({"astoria-00000001"})), "order_updates")
    waiting = make_run(instance, first, DagsterRunStatus.QUEUED)
    assert requested(instance, Refresh()).job_name == "discover"
    assert instance.get_run_by_id(waiting).status is DagsterRunStatus.CANCELED
    assert daemon.tick("refresh_stages").skip_message == "0 refresh(es) under way"


def test_the_schedule_and_the_sensors_request_one_run_by_default(daemon, sandbox):
    assert requested(daemon.instance, Refresh()).job_name == "refresh"


def test_a_lease_is_held_by_one_run_and_the_next_waits(daemon):
    instance = daemon.instance
    storage = instance.event_log_storage
    runs = [
        instance.get_run_by_id(
            make_run(
                instance,
                request_run(instance, "derive", Refresh(), "x", {SHARD_TAG: "derive:1 of 2", REFRESH_TAG: number}),
                DagsterRunStatus.STARTED,
            )
        )
        for number in "12"
    ]
    key = "pso/shard derive:1 of 2"
    got = threading.Event()

    def take():
        with lease(instance, runs[1]):
            got.set()

    with lease(instance, runs[0]):
        second = threading.Thread(target=take)
        second.start()
        wait_for(lambda: runs[1].run_id in storage.get_concurrency_info(key).pending_run_ids)
        assert storage.get_concurrency_info(key).active_run_ids == {runs[0].run_id}
        assert not got.is_set()
    second.join()
    assert got.is_set()
    assert storage.get_concurrency_info(key).active_run_ids == set()


def test_pso_refresh_runs_every_shard_and_names_what_failed(sharded, world):
    done = pso("refresh")
    assert (done.status, done.err) == (0, "")
    assert "4 of 4 hotels up to date: 10 new and 0 changed orders" in done.out
    world.revoke("south")
    done = pso("refresh")
    assert done.status == 1
    assert "3 of 4 hotels up to date" in done.out
    assert len(done.err.splitlines()) == 2, "of the token and of its hotel"
    done = pso("refresh", "--enterprise", "astoria-00000001")
    assert "1 of 1 hotels up to date" in done.out
    with DagsterInstance.get() as instance:
        tagged = [run.tags[SHARD_TAG] for run in instance.get_runs(RunsFilter(job_name="sync"))]
        assert sorted(tagged) == sorted([*SYNCS, *SYNCS, f"sync:{NORTH}"])
        assert instance.event_log_storage.get_concurrency_run_ids() == set()


def test_pso_refresh_waits_in_line_and_says_who_holds_the_shard(sharded, tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(prepare_dagster_home(tmp_path / "dagster")))
    with DagsterInstance.get() as instance:
        run_id = make_run(
            instance,
            request_run(instance, "discover", Refresh(), "hourly_refresh", {SHARD_TAG: "discover"}),
            DagsterRunStatus.STARTED,
        )
        with lease(instance, run_of(instance, run_id)):
            waiting = subprocess.Popen([PSO, "refresh"], stderr=subprocess.PIPE, text=True)
            assert waiting.stderr is not None
            assert waiting.stderr.readline().startswith(f"pso: waiting for run {run_id} (")
            wait_for(lambda: instance.event_log_storage.get_concurrency_info("pso/shard discover").pending_run_ids)
            assert [run.status for run in instance.get_runs(RunsFilter(job_name="sync"))] == []
        end_run(instance, run_id)
        assert waiting.wait(240) == 0
        waiting.stderr.close()
        assert len(instance.get_runs(RunsFilter(job_name="sync", statuses=[DagsterRunStatus.SUCCESS]))) == len(SYNCS)


WORKSPACE = """
load_from:
  - python_module:
      module_name: pso_pipeline_tests.orchestration.shard_location
      location_name: shards
"""


def test_queued_runs_of_one_shard_never_overlap(sharded, tmp_path, monkeypatch):
    """Six runs of two shards, executed by Dagster's own daemon, next to one that a command has started."""
    home = prepare_dagster_home(tmp_path / "dagster")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    Path("workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    one, two = "derive:1 of 2", "derive:2 of 2"
    with DagsterInstance.get() as instance:
        requests = {
            shard: request_run(instance, "derive", Refresh(), "hourly_refresh", {SHARD_TAG: shard})
            for shard in (one, two)
        }
        by_command = make_run(instance, requests[one], DagsterRunStatus.STARTED)
        queued = {
            shard: [make_run(instance, request, DagsterRunStatus.QUEUED, "shards") for _ in range(3)]
            for shard, request in requests.items()
        }

        def wait_for_ends(shard):
            for run_id in queued[shard]:
                wait_for(lambda run_id=run_id: run_of(instance, run_id).is_finished)
            assert statuses(shard) == {DagsterRunStatus.SUCCESS}

        def statuses(shard):
            return {run_of(instance, run_id).status for run_id in queued[shard]}

        daemon = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", "workspace.yaml"]
        with subprocess.Popen(daemon, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                wait_for_ends(two)
                assert statuses(one) == {DagsterRunStatus.QUEUED}, "they wait for the run of the command"
                end_run(instance, by_command)
                wait_for_ends(one)
            finally:
                process.terminate()
        for shard in (one, two):
            records = instance.get_run_records(RunsFilter(run_ids=queued[shard]))
            times = sorted((record.start_time or 0, record.end_time or 0) for record in records)
            assert all(0 < before[1] <= after[0] for before, after in itertools.pairwise(times))
