"""A client for the tests, over real HTTP."""

import httpx
import pytest

from pso_pipeline_tests.fakes.client import Api


@pytest.fixture
def connect():
    """Makes an `Api` for a sandbox, with the token that reaches everything unless another one is given."""
    with httpx.Client(timeout=20) as http:
        yield lambda sandbox, token=None: Api(sandbox, token or sandbox.world.access_token, http)
