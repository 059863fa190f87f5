"""Rates of a device, with a clock of the test's own."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench import device_rates as module
from ostinato.bench.device_rates import main, measured
from ostinato.core.errors import ArgumentError
from ostinato.engines.rates import Rates


def test_rates_are_differences_of_times(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(module, "_BYTES", 2**10)
    monkeypatch.setattr(module, "_FEW", 2)
    monkeypatch.setattr(module, "_MANY", 6)
    times = iter([60.0, 68.0, 3.0, 5.0, 12.0, 8.0, 300.0, 5.0, 13.0, 5.0, 17.0, 10.0, 610.0])

    def clock(run):
        run()
        return next(times)

    found = measured("cpu", clock)
    assert (found.pointwise_step, found.call) == (2.0, 56.0)
    assert (found.answer, found.following) == (2.0, 4.0)
    assert found.bandwidth == 2 * 2**10 / 8
    assert found.operation == 3.0
    assert (found.product_step, found.cudnn_step, found.python_step) == (2.0, 3.0, 150.0)
    assert found.cache == Rates().cache
    assert "measured on" in found.origin


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device_nothing_is_kept():
    with pytest.raises(ArgumentError, match="torch sees no CUDA device"):
        main()
