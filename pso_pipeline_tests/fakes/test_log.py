"""The log of received requests."""

import pytest

from pso_pipeline_tests.fakes.log import fingerprint, most_within
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve


def test_requests_are_written_down_in_order_without_their_tokens(connect):
    world = ScriptedWorld()
    world.add_service(world.add_enterprise())
    with serve(world) as sandbox:
        api = connect(sandbox)
        answer = api.post("services/getAll", ServiceType="Additional")
        api.post("enterprises/getAll", Limitation=None)
        api.post("enterprises/getAll", AccessToken="wrong")
        log = list(sandbox.requests)
    assert [(request.operation, request.status, request.items) for request in log] == [
        ("services/getAll", 200, 1),
        ("enterprises/getAll", 400, 0),
        ("enterprises/getAll", 401, 0),
    ]
    assert log[0].body == {"Client": "Tests 1.0", "Limitation": {"Count": 1000}, "ServiceType": "Additional"}
    assert log[0].request_id == answer.headers["Request-Id"]
    assert log[0].token == fingerprint(world.access_token)
    assert log[0].at <= log[1].at <= log[2].at
    assert world.access_token not in repr(log)
    assert world.client_token not in repr(log)
    assert len(sandbox.requests.of("enterprises/getAll")) == 2


def test_a_body_that_is_no_json_is_written_down_as_none(connect):
    with serve(ScriptedWorld()) as sandbox:
        api = connect(sandbox)
        api.http.post(api.url("services/getAll"), content=b"{", headers={"Content-Type": "application/json"})
    assert (sandbox.requests[0].body, sandbox.requests[0].token, sandbox.requests[0].status) == (None, None, 400)


@pytest.mark.parametrize(
    ("moments", "most"),
    [([], 0), ([5], 1), ([0, 29.9], 2), ([0, 30], 1), ([0, 1, 2, 31, 31.5, 31.9], 4), ([0, 0, 0], 3)],
)
def test_the_busiest_window(moments, most):
    assert most_within(moments, 30) == most
