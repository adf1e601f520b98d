"""Passwords in connection strings: masked where they are shown, taken out where a program gets its arguments."""

import pytest

from pso_pipeline.warehouse.errors import split_password, without_passwords


@pytest.mark.parametrize(
    ("connection_string", "place", "password"),
    [
        ("host=db user=me password=hunter2222", "host=db user=me ", "hunter2222"),
        ("password = hunter2222 host=db", " host=db", "hunter2222"),
        (r"host=db password='hunter 2222\'s' port=5", "host=db  port=5", "hunter 2222's"),
        ("postgresql://me:hunter%402222@db:5432/lake", "postgresql://me@db:5432/lake", "hunter@2222"),
        ("postgresql://me@db/lake", "postgresql://me@db/lake", None),
        ("host=db user=me", "host=db user=me", None),
    ],
)
def test_a_password_is_masked_and_taken_out(connection_string, place, password):
    assert split_password(connection_string) == (place, password)
    assert "hunter" not in without_passwords(connection_string)
