"""When Python looks for garbage is set for the length of a block and no longer."""

import gc

import pytest

from pso_pipeline.heap import OBJECTS_BETWEEN_COLLECTIONS, collecting_seldom, importing


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    gc.unfreeze()
    assert gc.isenabled()


def test_nothing_is_collected_while_imports_go_on_and_what_came_is_set_aside():
    gc.unfreeze()
    with importing():
        assert not gc.isenabled()
        came: list[list[int]] = [[] for _ in range(1000)]
        assert gc.get_freeze_count() == 0
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(came)


def test_a_failed_import_leaves_the_collector_at_work():
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_run_collects_seldom_and_sets_aside_but_once():
    usual = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold()[0] == OBJECTS_BETWEEN_COLLECTIONS
    assert gc.get_threshold() == usual
    gc.unfreeze()
    with collecting_seldom():
        pass
    assert gc.get_freeze_count() == 0, "a process that serves many runs would keep the garbage of all of them"
