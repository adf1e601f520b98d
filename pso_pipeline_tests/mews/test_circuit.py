import pytest

from pso_pipeline.mews.circuit import Circuit
from pso_pipeline.mews.errors import CircuitOpen, RequestRefused, ServerFault, Unreachable

OPERATION = "services/getAll"


@pytest.fixture
def circuit(fake_time):
    return Circuit("http://api.example", fake_time.clock, threshold=3, first_pause=2.0, longest_pause=7.0)


def fail(circuit, kind=ServerFault):
    with pytest.raises(kind), circuit.passage(OPERATION):
        raise kind("it broke", OPERATION, "r-9", 503)


def open_it(circuit):
    for _ in range(3):
        fail(circuit)


def open_and_fail(circuit):
    open_it(circuit)
    raise ServerFault("late", OPERATION)


def wait_seconds(circuit) -> float:
    with pytest.raises(CircuitOpen) as caught, circuit.passage(OPERATION):
        pass
    return caught.value.wait_seconds


def test_it_opens_after_failures_in_a_row(circuit):
    fail(circuit)
    fail(circuit, Unreachable)
    circuit.check(OPERATION)
    fail(circuit)
    with pytest.raises(CircuitOpen) as caught:
        circuit.check(OPERATION)
    assert (caught.value.wait_seconds, caught.value.down_seconds) == (2.0, 0.0)
    assert (caught.value.request_id, caught.value.status) == ("r-9", 503)
    assert "http://api.example" in str(caught.value)
    assert "it broke" in str(caught.value)


def test_an_answer_in_between_starts_the_count_again(circuit):
    fail(circuit)
    fail(circuit)
    with circuit.passage(OPERATION):
        pass
    fail(circuit)
    fail(circuit)
    circuit.check(OPERATION)


def test_a_refusal_is_an_answer(circuit):
    fail(circuit)
    fail(circuit)
    fail(circuit, RequestRefused)
    fail(circuit)
    fail(circuit)
    circuit.check(OPERATION)


def test_one_request_asks_whether_the_server_is_back(circuit, fake_time):
    open_it(circuit)
    fake_time.steady += 2.0
    with circuit.passage(OPERATION):
        assert wait_seconds(circuit) == 2.0, "no second one while the first is asking"
    circuit.check(OPERATION)


def test_pauses_double_up_to_the_longest(circuit, fake_time):
    open_it(circuit)
    pauses = []
    for _ in range(4):
        pauses.append(wait_seconds(circuit))
        fake_time.steady += pauses[-1]
        fail(circuit)
    assert pauses == [2.0, 4.0, 7.0, 7.0]


def test_failures_of_requests_that_were_already_out_do_not_lengthen_the_pause(circuit, fake_time):
    with pytest.raises(ServerFault, match="late"), circuit.passage(OPERATION):
        open_and_fail(circuit)
    assert wait_seconds(circuit) == 2.0


def test_a_cancelled_try_teaches_nothing(circuit, fake_time):
    open_it(circuit)
    fake_time.steady += 2.0
    with pytest.raises(KeyboardInterrupt), circuit.passage(OPERATION):
        raise KeyboardInterrupt
    with circuit.passage(OPERATION):
        pass
    circuit.check(OPERATION)
