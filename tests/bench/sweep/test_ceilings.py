"""Rates of a copy and of a product."""

from __future__ import annotations

import pytest

from ostinato.bench.sweep import ceilings as module
from ostinato.bench.sweep.ceilings import Ceilings, ceilings


def test_rates_are_those_of_the_bytes_and_operations(monkeypatch):
    monkeypatch.setattr(module, "median_ms", lambda work, *about, **more: work() is None or 2.0)
    found = ceilings("cpu", numbers=1000, side=10)
    assert found.copy == pytest.approx(2 * 4000 / 2e-3)
    assert found.matmul == pytest.approx(2 * 10**3 / 2e-3)
    narrow = ceilings("cpu", numbers=1000, side=10, dtype="bfloat16")
    assert (narrow.copy, narrow.matmul) == (found.copy / 2, found.matmul)


def test_the_scarcer_of_both_is_the_floor():
    roof = Ceilings(copy=10.0, matmul=100.0)
    assert roof.floor(50, 100) == 5
    assert roof.floor(50, 1000) == 10
