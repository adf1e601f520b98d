"""How refreshes join each other: one waits at most, and none is lost."""

from datetime import timedelta

import pytest
from dagster import DagsterEvent, DagsterRunStatus, RunRequest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from pso_pipeline.definitions import defs
from pso_pipeline.orchestration.queue import Refresh, decide_on_request, is_refreshing, request_refresh
from pso_pipeline.orchestration.runs import REQUESTED_BY

ALL = Refresh()
A, B, AB = (Refresh(frozenset(keys)) for keys in ("a", "b", "ab"))
LOOK_BACK = Refresh(look_back_days=3)
FULL, FULL_A = Refresh(full=True), Refresh(frozenset("a"), full=True)


@pytest.mark.parametrize(
    ("wanted", "waiting", "following", "replaced"),
    [
        (A, [], A, ()),
        (A, [("1", A)], None, ()),
        (A, [("1", AB)], None, ()),
        (A, [("1", ALL)], None, ()),
        (A, [("1", B)], AB, ("1",)),
        (ALL, [("1", A)], ALL, ("1",)),
        (ALL, [("1", A), ("2", B)], ALL, ("1", "2")),
        (ALL, [("1", LOOK_BACK)], None, ()),
        (LOOK_BACK, [("1", ALL)], LOOK_BACK, ("1",)),
        (A, [("1", Refresh(frozenset("b"), 3))], Refresh(frozenset("ab"), 3), ("1",)),
        (ALL, [("1", FULL)], None, ()),
        (FULL, [("1", ALL)], FULL, ("1",)),
        (ALL, [("1", FULL_A)], Refresh(full=True), ("1",)),
        (B, [("1", FULL_A)], Refresh(frozenset("ab"), full=True), ("1",)),
        (LOOK_BACK, [("1", FULL)], Refresh(None, 3, full=True), ("1",)),
    ],
)
def test_one_refresh_waits_and_does_the_work_of_those_it_replaces(wanted, waiting, following, replaced):
    decision = decide_on_request(wanted, waiting)
    assert (decision.request, decision.replaced) == (following, replaced)


ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("pso_pipeline"), "pso"), "refresh")


def enqueue(instance, request, status=DagsterRunStatus.QUEUED, parent=None):
    is_queued = status == DagsterRunStatus.QUEUED
    run = instance.create_run_for_job(
        defs.resolve_job_def("refresh"),
        run_config=request.run_config,
        tags=request.tags,
        remote_job_origin=ORIGIN,
        status=DagsterRunStatus.NOT_STARTED if is_queued else status,
        parent_run_id=parent,
        root_run_id=parent,
    )
    if is_queued:
        instance.report_dagster_event(DagsterEvent.job_enqueue(run), run_id=run.run_id)
    return run.run_id


def requested(instance, wanted):
    request = request_refresh(instance, wanted, "order_updates")
    assert request is not None
    return request


def config_of(**config):
    return {"ops": {"sync_orders": {"config": config}}}


def test_a_newer_refresh_replaces_the_queued_one_and_reads_its_hotels_too(daemon):
    instance = daemon.instance
    first = enqueue(instance, requested(instance, A))
    assert request_refresh(instance, A, "order_updates") is None
    second = requested(instance, B)
    assert second.run_config == {"ops": {"sync_orders": {"config": {"enterprises": ["a", "b"]}}}}
    assert instance.get_run_by_id(first).status == DagsterRunStatus.CANCELED
    enqueue(instance, second)
    everything = requested(instance, ALL)
    assert everything.run_config == {}
    assert instance.get_runs_count() == 2


def test_a_queued_full_refresh_is_replaced_by_a_full_one_alone(daemon):
    instance = daemon.instance
    first = enqueue(instance, requested(instance, FULL_A))
    second = requested(instance, B)
    assert second.run_config == {"ops": {"sync_orders": {"config": {"enterprises": ["a", "b"], "full": True}}}}
    assert instance.get_run_by_id(first).status == DagsterRunStatus.CANCELED


@pytest.mark.parametrize(
    ("run_config", "tags", "parent"),
    [
        (config_of(full=True), {}, None),
        (config_of(enterprises=["a"]), {}, None),
        (config_of(enterprises=["a"]), {REQUESTED_BY: "order_updates"}, "the run that it repeats"),
        (
            {**config_of(enterprises=["a"]), "loggers": {"console": {"config": {"log_level": "DEBUG"}}}},
            {REQUESTED_BY: "order_updates"},
            None,
        ),
    ],
)
def test_a_queued_run_of_a_person_is_neither_replaced_nor_counted_on(daemon, run_config, tags, parent):
    run = enqueue(daemon.instance, RunRequest(run_config=run_config, tags=tags), parent=parent)
    assert requested(daemon.instance, A).run_config == config_of(enterprises=["a"])
    assert daemon.instance.get_run_by_id(run).status == DagsterRunStatus.QUEUED


def test_a_run_that_has_started_is_left_alone(daemon):
    instance = daemon.instance
    run = enqueue(instance, requested(instance, A), DagsterRunStatus.STARTED)
    assert requested(instance, A)
    assert instance.get_run_by_id(run).status == DagsterRunStatus.STARTED


def test_nothing_is_looked_for_while_a_refresh_is_under_way_but_not_for_ever(daemon, sandbox):
    assert not is_refreshing(daemon.instance, timedelta(minutes=2))
    enqueue(daemon.instance, requested(daemon.instance, A), DagsterRunStatus.STARTED)
    assert daemon.tick("order_updates").skip_message.startswith("a refresh runs")
    assert len(sandbox.requests) == 0
    assert not is_refreshing(daemon.instance, timedelta(0))
