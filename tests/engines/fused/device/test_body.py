"""What goes through memory, and what waits for it."""

from __future__ import annotations

import re

import pytest
import torch

from ..steps import STEPS
from .kernels import sources


def test_slices_of_products_are_products_with_some_columns():
    matrix = torch.randn(16, 32, dtype=torch.float64)

    def step(h, x):
        a, b = (h.repeat(1, 3)[:, :16] @ matrix).split([16, 16], 1)
        return (torch.sigmoid(a) * torch.tanh(b))[:, :6] * x

    text = sources(step)["forward"].text
    assert text.count("multiply(") == 2
    assert "tl.arange(0, 32)" not in text


@pytest.mark.parametrize(
    "name", ["pointwise.add", "unary.softplus", "rearrangement.unflatten", "reduction.layer_norm"]
)
def test_values_that_lie_as_they_were_computed_need_no_memory(name):
    expected = name == "rearrangement.unflatten"
    assert bool(sources(STEPS[name])["forward"].width) == expected


@pytest.mark.parametrize("name", STEPS)
def test_memory_is_read_behind_a_barrier(name):
    for source in sources(STEPS[name]).values():
        waiting: set[str] = set()
        for line in source.text.splitlines():
            touched = re.findall(r"memory_lane \+ (\d+)", line)
            if "tl.debug_barrier()" in line:
                waiting.clear()
            elif "tl.store(memory" in line:
                # What it stores is in registers, or computed from what was stored before.
                assert not waiting & set(touched[1:]), f"{name}: {line}"
                waiting.add(touched[0])
            else:
                assert not waiting & set(touched), f"{name}: {line}"
