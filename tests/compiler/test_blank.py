from __future__ import annotations

import pytest
import torch

from ostinato.compiler.blank import Blank
from ostinato.compiler.record import record


def test_a_blank_passes_for_a_tensor_on_its_device():
    blank = Blank(torch.empty(2, 3, dtype=torch.float64, device="meta"), torch.device("cpu"))
    assert (blank.device.type, blank.is_cpu, blank.is_meta) == ("cpu", True, False)
    assert (blank.shape, blank.dtype, blank.element_size()) == ((2, 3), torch.float64, 8)
    assert repr(blank) == "Blank([2, 3], torch.float64)"


def test_nothing_can_be_computed_with_it_outside_of_a_recording():
    blank = Blank(torch.empty(2, device="meta"), torch.device("cpu"))
    with pytest.raises(RuntimeError, match="outside of a recording"):
        blank + 1


def test_autocast_applies_to_it():
    def step(x):
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            return [x @ weight]

    weight = torch.randn(4, 4)
    module = record(step, [torch.zeros(2, 4)])
    assert module(torch.randn(3, 4))[0].dtype is torch.bfloat16
