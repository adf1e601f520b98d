import pickle

from pso_pipeline.mews.errors import CircuitOpen, MewsError, RequestRefused, TooManyRequests


def test_a_message_is_one_line_with_operation_status_and_request_id():
    error = RequestRefused("refused: Invalid ServiceIds", "services/getAll", "r-1", 400)
    assert str(error) == "services/getAll: refused: Invalid ServiceIds (status 400, RequestId r-1)"
    assert str(MewsError("gone", "services/getAll")) == "services/getAll: gone"


def test_errors_travel_between_processes():
    for error in (TooManyRequests("too many", "services/getAll", "r-1", 429), CircuitOpen("down", "services/getAll")):
        error.retry_after = 7.5
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
