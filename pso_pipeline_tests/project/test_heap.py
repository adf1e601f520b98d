"""When Python looks for garbage is set for the length of a block and no longer; what was freed goes back."""

import ctypes
import gc
import os
import platform
from pathlib import Path

import pytest

from pso_pipeline.heap import OBJECTS_BETWEEN_COLLECTIONS, collecting_seldom, give_back, importing


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the allocator of GNU/Linux keeps what was freed")
def test_what_was_freed_below_what_is_in_use_goes_back_to_the_system():
    allocator = ctypes.CDLL(None)
    allocator.malloc.restype, allocator.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    size = 50_000
    pieces = [allocator.malloc(size) for _ in range(1000)]
    for piece in pieces:
        ctypes.memset(piece, 1, size)
    for piece in pieces[:-1]:
        allocator.free(piece)
    before = _resident_bytes()
    give_back()
    assert before - _resident_bytes() > 30_000_000
    allocator.free(pieces[-1])


def _resident_bytes():
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
