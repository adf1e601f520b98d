import errno
import itertools
import os

import pytest

from pso_pipeline.bi.copying import copy_range

CONTENT = os.urandom(300_000)


def copied(folder, start, size):
    (folder / "source").write_bytes(CONTENT)
    with (folder / "source").open("rb", buffering=0) as source, (folder / "target").open("xb", buffering=0) as target:
        target.write(b"before")
        copy_range(source, start, size, target)
        assert target.tell() == len(b"before") + size
    return (folder / "target").read_bytes().removeprefix(b"before")


def test_a_range_is_copied(tmp_path):
    assert copied(tmp_path, 1_000, 200_000) == CONTENT[1_000:201_000]


@pytest.mark.parametrize("calls_that_work", [0, 1])
def test_a_range_is_copied_whole_where_the_kernel_gives_up(tmp_path, monkeypatch, calls_that_work):
    kernel, calls = os.copy_file_range, itertools.count()

    def give_up(source, target, count, *, offset_src):
        if next(calls) >= calls_that_work:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return kernel(source, target, 50_000, offset_src=offset_src)

    monkeypatch.setattr(os, "copy_file_range", give_up)
    assert copied(tmp_path, 1_000, 200_000) == CONTENT[1_000:201_000]


def test_a_file_that_ends_too_early_is_said_so(tmp_path):
    with pytest.raises(OSError, match=r"source ends after 300000 bytes, 300001 were expected"):
        copied(tmp_path, 1_000, 299_001)
