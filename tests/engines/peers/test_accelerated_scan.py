"""The adapter of accelerated-scan, with its function in plain torch."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells import make_cell

from .conftest import assert_same, reason


def scan(gates, tokens):
    """What accelerated_scan.warp documents: (B, C, T), contiguous, T a power of two from 32 on."""
    assert gates.shape == tokens.shape
    assert gates.is_contiguous()
    assert tokens.is_contiguous()
    steps = gates.shape[-1]
    assert steps >= 32
    assert steps & (steps - 1) == 0
    h, states = torch.zeros_like(tokens[..., 0]), []
    for t in range(steps):
        h = gates[..., t] * h + tokens[..., t]
        states.append(h)
    return torch.stack(states, -1)


@pytest.fixture(autouse=True)
def peer(install):
    install(accelerated_scan={}, accelerated_scan__warp={"scan": scan})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (33, 2), (64, 3)])
def test_values_and_gradients(steps, rows, reverse):
    cell, x = make_cell("MinGRU", 3, 4), torch.randn(rows, steps, 3)
    state = (torch.randn(rows, 4),)
    assert_same(cell, "accelerated-scan", x, state=state, reverse=reverse)


def test_states_that_are_matrices():
    assert_same(make_cell("GatedLinearAttention", 3, 4), "accelerated-scan", torch.randn(2, 5, 3))


@pytest.mark.parametrize("name", ["LRU", "ParaGRU", "LSTM"])
def test_what_is_not_affine_element_by_element(name):
    said = reason(make_cell(name, 3, 4), "accelerated-scan", torch.randn(2, 5, 3))
    assert said == "the step is not affine in the state, element by element"


def test_sequences_that_are_too_long():
    said = reason(make_cell("MinGRU", 1, 1), "accelerated-scan", torch.randn(1, 2**16 + 1, 1))
    assert "65536 steps at most, not 65537" in said
