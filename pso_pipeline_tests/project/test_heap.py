"""Garbage is not collected while modules are imported, and seldom after that."""

import gc

import pytest

from pso_pipeline.heap import importing


@pytest.fixture(autouse=True)
def _as_it_was():
    usual = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*usual)
    assert gc.isenabled()


def test_nothing_is_collected_while_imports_go_on_and_what_came_is_set_aside():
    gc.unfreeze()
    gc.set_threshold(700)
    with importing():
        assert not gc.isenabled()
        came: list[list[int]] = [[] for _ in range(1000)]
        assert gc.get_freeze_count() == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(came)
    assert gc.get_threshold()[0] > 700


def test_a_failed_import_leaves_the_collector_at_work():
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()
