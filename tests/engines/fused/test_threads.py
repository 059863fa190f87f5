"""How rows are cut among threads, and that all are done once."""

from __future__ import annotations

import threading

import pytest
import torch

from ostinato.engines.fused import threads, toolchain
from ostinato.engines.fused.threads import in_threads, openmp, share

from .kernels import needs_compiler


@pytest.mark.parametrize(
    ("rows", "expected"), [(1, [0, 1]), (7, [0, 7]), (8, [0, 4, 8]), (9, [0, 4, 9])]
)
def test_rows_are_cut_evenly_and_not_too_small(rows, expected):
    torch.set_num_threads(2)
    assert share(rows, 4) == expected


def test_every_part_is_done_once():
    torch.set_num_threads(2)
    done, lock = [], threading.Lock()

    def part(thread, begin, end):
        with lock:
            done.append((thread, begin, end))

    in_threads(10, 4, part)
    assert sorted(done) == [(0, 0, 5), (1, 5, 10)]


@needs_compiler
def test_a_compiler_without_openmp_is_no_obstacle(monkeypatch):
    openmp.cache_clear()
    monkeypatch.setattr(toolchain, "FLAGS", (*toolchain.FLAGS, "-no-such-flag"))
    monkeypatch.setattr(threads, "FLAGS", (*threads.FLAGS, "-no-such-flag"))
    assert openmp() is None
    monkeypatch.undo()
    openmp.cache_clear()
    assert openmp() is not None
