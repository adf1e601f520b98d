"""The log of received requests, in this process and through the control endpoint."""

import httpx
import pytest

from pso_pipeline.sandbox import tokens
from pso_pipeline.sandbox.log import most_within
from pso_pipeline.sandbox.scripted import ScriptedWorld
from pso_pipeline.sandbox.server import serve


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
    assert log[0].token == tokens.fingerprint(world.access_token)
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


def test_the_control_endpoint_tells_the_log_to_other_processes(connect):
    world = ScriptedWorld()
    with serve(world, control=True) as sandbox:
        api = connect(sandbox)
        for _ in range(3):
            api.post("enterprises/getAll")
        log = httpx.get(f"{sandbox.address}/control/requests")
        assert [request["status"] for request in log.json()] == [200, 200, 200]
        assert world.access_token not in log.text
        busiest = httpx.get(f"{sandbox.address}/control/busiest").json()
        assert busiest == {tokens.fingerprint(world.access_token): 3}
        assert httpx.delete(f"{sandbox.address}/control/requests").status_code == 204
        assert httpx.get(f"{sandbox.address}/control/requests").json() == []
        assert httpx.get(f"{sandbox.address}/control/tokens").status_code == 404
