import pytest

from pso_pipeline.mews.circuit import FAILURES, CircuitBreaker
from pso_pipeline.mews.errors import CircuitOpen, RequestRefused, ServerFault, Unreachable
from pso_pipeline.mews.retry import RetryPolicy

OPERATION = "services/getAll"
POLICY = RetryPolicy(seconds=20.0, first_backoff=2.0, longest_backoff=7.0)


@pytest.fixture
def circuit(fake_time):
    return CircuitBreaker("http://api.example", POLICY, fake_time.clock)


def fail(circuit, kind=ServerFault, times=1):
    for _ in range(times):
        circuit.record(kind("it broke", OPERATION, "r-9", 503))


def refusal(circuit):
    with pytest.raises(CircuitOpen) as caught:
        circuit.check(OPERATION)
    return caught.value


def seconds_to_wait(circuit):
    """Seconds after which a refused request may try again."""
    seconds = refusal(circuit).retry_after
    assert seconds is not None
    return seconds


def test_it_opens_after_failures_in_a_row(circuit):
    fail(circuit, Unreachable)
    fail(circuit, times=FAILURES - 2)
    circuit.check(OPERATION)
    fail(circuit)
    refused = refusal(circuit)
    assert 1.0 <= seconds_to_wait(circuit) <= 2.0
    assert (refused.request_id, refused.status) == ("r-9", 503)
    assert refused.message == "http://api.example has failed 5 times in a row; last: it broke"


@pytest.mark.parametrize("response", [None, RequestRefused("refused", OPERATION)])
def test_a_response_in_between_starts_the_count_again(circuit, response):
    fail(circuit, times=FAILURES - 1)
    circuit.record(response)
    fail(circuit, times=FAILURES - 1)
    circuit.check(OPERATION)


def test_one_request_finds_out_whether_the_api_is_back(circuit, fake_time):
    fail(circuit, times=FAILURES)
    fake_time.steady += 2.0
    circuit.check(OPERATION)
    assert seconds_to_wait(circuit) > 0, "no second one while the first is under way"
    circuit.record(None)
    circuit.check(OPERATION)


def test_the_backoff_doubles_up_to_the_longest(circuit, fake_time):
    fail(circuit, times=FAILURES)
    for longest in (2.0, 4.0, 7.0, 7.0):
        pause = seconds_to_wait(circuit)
        assert longest / 2 <= pause <= longest
        fake_time.steady += pause + 0.001
        circuit.check(OPERATION)
        fail(circuit)


def test_failures_of_requests_under_way_do_not_lengthen_the_backoff(circuit):
    fail(circuit, times=FAILURES + 50)
    assert seconds_to_wait(circuit) <= 2.0


def test_after_a_long_outage_nobody_waits(circuit, fake_time):
    fail(circuit, times=FAILURES)
    fake_time.steady += POLICY.seconds
    circuit.check(OPERATION)
    assert refusal(circuit).retry_after is None


def test_a_canceled_request_leaves_the_circuit_open_until_the_next(circuit, fake_time):
    fail(circuit, times=FAILURES)
    fake_time.steady += 2.0
    circuit.check(OPERATION)
    fake_time.steady += 4.0
    circuit.check(OPERATION)
