"""The rate limit: a sliding window for each access token."""

from pso_pipeline.sandbox.limits import RateLimit
from pso_pipeline_tests.fakes.log import most_within
from pso_pipeline_tests.fakes.scripted import ScriptedWorld
from pso_pipeline_tests.fakes.server import serve


def test_the_window_slides_from_the_first_request_of_a_burst():
    now = 1000.0
    limit = RateLimit(requests=3, seconds=30, timer=lambda: now)
    assert [limit.take("t") for _ in range(3)] == [None, None, None]
    now = 1010.2
    assert limit.take("t") == 20
    now = 1029.99
    assert limit.take("t") == 1
    now = 1030.0
    assert limit.take("t") is None


def test_no_window_of_that_length_has_more():
    now = 0.0
    accepted = []
    limit = RateLimit(requests=5, seconds=10, timer=lambda: now)
    for tick in range(400):
        now = tick * 0.37
        if limit.take("t") is None:
            accepted.append(now)
    assert most_within(accepted, 10) == 5
    assert len(accepted) > 60


def test_refused_requests_do_not_count_and_tokens_do_not_share():
    now = 0.0
    limit = RateLimit(requests=1, seconds=30, timer=lambda: now)
    assert limit.take("a") is None
    assert [limit.take("a") for _ in range(50)] == [30] * 50
    assert limit.take("b") is None
    now = 30.0
    assert limit.take("a") is None


def test_a_429_says_how_long_to_wait(connect):
    world = ScriptedWorld()
    world.grant("other")
    with serve(world, requests_per_window=4) as sandbox:
        api, other = connect(sandbox), connect(sandbox, "other")
        statuses = [api.post("enterprises/getAll").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 429]
        answer = api.post("services/getAll")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
        assert answer.json()["RequestId"] == answer.headers["Request-Id"]
        assert other.post("enterprises/getAll").status_code == 200
        assert max(sandbox.requests.busiest().values()) == 6


def test_wrong_tokens_are_refused_before_they_are_counted(connect):
    with serve(ScriptedWorld(), requests_per_window=1) as sandbox:
        stranger = connect(sandbox, "stranger")
        assert {stranger.post("enterprises/getAll").status_code for _ in range(3)} == {401}


def test_a_malformed_request_counts_too(connect):
    with serve(ScriptedWorld(), requests_per_window=1) as sandbox:
        api = connect(sandbox)
        assert api.post("enterprises/getAll", Limitation=None).status_code == 400
        assert api.post("enterprises/getAll").status_code == 429
