"""The installation of `deploy/`, with all its processes: what is killed is made up for, and nothing is lost or doubled.

Without Docker: the processes run on this machine, in front of a real PostgreSQL, PgBouncer, Redis and object storage.
`PSO_TEST_ROUNDS=10` kills everything ten times.
"""

import contextlib
import itertools
import os
import signal
import tempfile
import threading
from collections import defaultdict
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from pso_pipeline.mews.tokens import Token
from pso_pipeline.orchestration.runs import PROCESS_TAG
from pso_pipeline.orchestration.shards import SHARD_TAG, sync_shard
from pso_pipeline.warehouse.session import Warehouse
from pso_pipeline_tests.cli.test_serving import wait_for
from pso_pipeline_tests.deploy.stack import Stack
from pso_pipeline_tests.fakes.faults import Hold, count_over
from pso_pipeline_tests.fakes.postgres import running_postgres
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve
from pso_pipeline_tests.reliability.lakes import compare_lake_with_source
from pso_pipeline_tests.warehouse.files import needs_ducklake

pytestmark = needs_ducklake

ROUNDS = int(os.environ.get("PSO_TEST_ROUNDS", "1"))
TOKENS = ("north", "south")
SHARDS = [sync_shard(Token(token).fingerprint) for token in TOKENS]
SETTINGS = {
    "PSO_REFRESH_CRON": "*/2 * * * *",
    "PSO_UPDATES_SECONDS": "5",
    "PSO_SILENT_SECONDS": "30",
    "PSO_HOTEL_RANGES": "2",
}
"""Shorter intervals than those of an installation."""

PATIENCE_SECONDS = 900
"""Longest wait for anything, which is over much sooner on a machine that has nothing else to do."""

POLLS = 250
"""Page size of the polls for changes; syncs ask for larger pages."""


@pytest.fixture
def world():
    world = ScriptedWorld()
    for token in TOKENS:
        hotel = world.add_enterprise(Name=token.title())
        world.grant(token, [hotel])
        for _ in range(30):
            world.add_order(world.add_service(hotel), State="Confirmed")
    return world


@pytest.fixture
def sandbox(world):
    with serve(world) as running:
        yield running


@pytest.fixture
def stack(sandbox, redis_server, object_storage, tmp_path, monkeypatch):
    secrets = {"mews_client_token": sandbox.world.client_token, "mews_access_tokens": ",".join(TOKENS)}
    settings = SETTINGS | {"MEWS_PLATFORM_ADDRESS": sandbox.address}
    with (
        tempfile.TemporaryDirectory(prefix="pso-postgres-") as folder,
        running_postgres(Path(folder)) as postgres,
    ):
        stack = Stack(tmp_path, (postgres, redis_server, object_storage), secrets, settings)
        with stack.running(workers=2):
            for name, value in stack.variables("test").items():
                monkeypatch.setenv(name, value)
            # past PgBouncer, whose connections end with PostgreSQL
            monkeypatch.setenv("PGPORT", str(postgres.port))
            monkeypatch.setenv("PGPASSWORD", "")
            monkeypatch.setenv("CELERY_BROKER_URL", redis_server.url)
            yield stack


@pytest.fixture
def instance(stack):
    with DagsterInstance.from_config(str(stack.home("test"))) as instance:
        yield instance


class Observer:
    """What a person sees of the installation who does nothing."""

    def __init__(self, stack, sandbox, instance):
        self.stack, self.sandbox, self.instance = stack, sandbox, instance

    def executing(self, shard):
        """The run of a shard that has a process, and the PID of that."""
        runs = self.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED], tags={SHARD_TAG: shard}))
        found = [run for run in runs if PROCESS_TAG in run.tags]
        return (found[0].run_id, int(found[0].tags[PROCESS_TAG].split()[1])) if found else None

    def status(self, run_id):
        return self.instance.get_run_by_id(run_id).status

    def unfinished(self):
        return {run.run_id for run in self.instance.get_runs() if not run.is_finished}

    def is_current(self):
        """Whether the snapshot shows all that the source has, and nothing twice."""
        orders = self.sandbox.world.snapshot(self.sandbox.world.clock.now()).orders
        snapshot = self.stack.folder / "bi/pso_bi.duckdb"
        if not snapshot.exists():
            return False
        with duckdb.connect(str(snapshot), read_only=True) as connection:
            published = connection.execute("SELECT order_id, state FROM mart.fct_product_service_orders").fetchall()
        return sorted(published) == sorted((order["Id"], order["State"]) for order in orders)

    def wait_until_current(self):
        """Wait until everything is published, and every run has ended that is under way now."""
        under_way = self.unfinished()
        wait_for(lambda: self.is_current() and not under_way & self.unfinished(), PATIENCE_SECONDS)

    def wait_for_other_run(self, shard, run_id, _):
        """Wait until a run has ended as failed and another one of its shard has a process; return that one."""
        wait_for(lambda: self.status(run_id) is DagsterRunStatus.FAILURE, PATIENCE_SECONDS)
        other, _ = wait_for(lambda: self.executing(shard), PATIENCE_SECONDS)
        return other

    def find_overlaps(self):
        """The shards of which two runs executed at once."""
        spans = defaultdict(list)
        for record in self.instance.get_run_records():
            if (shard := record.dagster_run.tags.get(SHARD_TAG)) and record.start_time and record.end_time:
                spans[shard].append((record.start_time, record.end_time))
        assert set(SHARDS) < set(spans)
        pairs = ((shard, *pair) for shard, times in spans.items() for pair in itertools.pairwise(sorted(times)))
        return [shard for shard, before, after in pairs if before[1] > after[0]]


@pytest.fixture
def observer(stack, sandbox, instance):
    return Observer(stack, sandbox, instance)


def go_on(world):
    """Let orders of both hotels change, and new ones come."""
    now = world.snapshot(world.clock.now())
    for order in now.orders[::7]:
        world.change(order, State="Canceled", CancelledUtc=order["CreatedUtc"])
    for service in now.services[::10]:
        world.add_order(service, State="Confirmed")


@contextlib.contextmanager
def held_syncs(sandbox):
    """Let syncs wait for their orders in the block."""
    released = threading.Event()
    sandbox.faults.add(Hold(released), operation="productServiceOrders/getAll", when=count_over(POLLS), times=None)
    try:
        yield
    finally:
        sandbox.faults.clear()
        released.set()


def worker_of(stack, pid):
    (worker,) = [service for service in stack.services.values() if service.pid == os.getpgid(pid)]
    return worker


def test_whatever_is_killed_no_run_stays_started_and_nothing_is_lost_or_doubled(stack, sandbox, observer):
    wait_for(stack.has_code_location, PATIENCE_SECONDS)
    for _ in range(ROUNDS):
        with held_syncs(sandbox):
            go_on(sandbox.world)
            killed = [wait_for(lambda shard=shard: observer.executing(shard), PATIENCE_SECONDS) for shard in SHARDS]
            os.kill(killed[0][1], signal.SIGKILL)
            worker_of(stack, killed[1][1]).kill()
            runs = [observer.wait_for_other_run(shard, *each) for shard, each in zip(SHARDS, killed, strict=True)]
            stack.services["daemon"].kill()
        observer.wait_until_current()
        assert {observer.status(run_id) for run_id in runs} == {DagsterRunStatus.SUCCESS}, "they need no daemon"

        with held_syncs(sandbox):
            queued = [stack.launch("sync", {SHARD_TAG: shard}) for _ in range(3) for shard in SHARDS]
            for shard in SHARDS:
                wait_for(lambda shard=shard: observer.executing(shard), PATIENCE_SECONDS)
            stack.services["code-server"].kill()
        wait_for(lambda queued=queued: not observer.unfinished().intersection(queued), PATIENCE_SECONDS)
        assert {observer.status(run_id) for run_id in queued} == {DagsterRunStatus.SUCCESS}

        with held_syncs(sandbox):
            go_on(sandbox.world)
            wait_for(lambda: observer.executing(SHARDS[0]), PATIENCE_SECONDS)
            stack.postgres.restart()
        observer.wait_until_current()
    assert observer.find_overlaps() == []
    location, data_path = (os.environ[name] for name in ("PSO_WAREHOUSE", "PSO_WAREHOUSE_DATA"))
    assert compare_lake_with_source(sandbox, Warehouse(location, data_path=data_path)) > 60
    assert any(run_id in name for name in stack.logs() for run_id in queued)
