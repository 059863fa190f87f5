"""A case that takes no time, and a result that was never measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from ostinato.bench.bandwidth import KINDS, SIZES
from ostinato.bench.cases import CASES, Case, Size
from ostinato.bench.machine import Machine
from ostinato.bench.measure import MODES
from ostinato.bench.peers import torch_module
from ostinato.bench.result import BandwidthRow, CompileRow, Result, Row
from ostinato.bench.steps import ElmanStep

MACHINE = Machine("Some CPU", 2, ("fma",), "2.13", "AVX2", "g++ 12", "0.1", "Linux", "2020-01-01")


@pytest.fixture
def tiny():
    return Case("tiny", ElmanStep, {"nn.RNN": torch_module(nn.RNN)}, (Size(2, 3, 4),))


def row(case="lstm", peer="nn.LSTM", size=(1, 1024, 64), mode="forward", ratio=2.0, **more):
    given = {"spread": (ratio, ratio), "ours_ms": 1.0, "peer_ms": ratio} if ratio else {}
    return Row(case, peer, *size, more.pop("threads", 1), mode, ratio, **(given | more))


@pytest.fixture
def result():
    """Every case at every size twice as fast as its peer, and compiled in a second."""
    rows = [
        row(case.name, peer, (size.batch, size.steps, size.hidden), mode)
        for case in CASES.values()
        for peer in case.peers
        for size in case.sizes
        for mode in MODES
    ]
    compiled = [
        CompileRow(steps, cache, first=3.0, next=seconds)
        for steps in (64, 4096)
        for cache, seconds in (("cold", 1.0), ("warm", 0.02))
    ]
    rates = [
        BandwidthRow(kind, *size, 1, mode, 0.8, 20.0)
        for kind in KINDS
        for size in SIZES
        for mode in MODES
    ]
    return Result(MACHINE, 9, rows, compiled, others=0.0, seconds=1.0, bandwidth=rates)


@pytest.fixture
def changed(result):
    """The result with the rows that `where` is true of changed."""

    def change(where, **changes):
        return replace(result, rows=[replace(r, **changes) if where(r) else r for r in result.rows])

    return change
