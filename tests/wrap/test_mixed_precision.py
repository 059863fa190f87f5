"""Weights in bfloat16 around a state in float32."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.core.state import leaves, map_state
from ostinato.over.time import RNN
from ostinato.wrap import LearnedState, MixedPrecision, Zoneout

BF16 = torch.bfloat16


def layer(name: str = "LSTM", engine: str = "auto") -> RNN:
    return RNN(MixedPrecision(make_cell(name, 3, 4)), engine).bfloat16()


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_the_state_is_single_and_gradients_are_those_of_the_weights(engine: str) -> None:
    rnn, x = layer(engine=engine), torch.randn(2, 5, 3).to(BF16).requires_grad_()
    y, state = rnn(x)
    assert {leaf.dtype for leaf in (y, *leaves(state))} == {torch.float32}
    y.square().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == BF16
    for parameter in rnn.parameters():
        assert parameter.dtype == BF16
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_only_the_stored_numbers_are_rounded() -> None:
    """The same as a cell in float32 whose weights happen to be bfloat16 numbers."""
    rnn, x = layer(), torch.randn(2, 30, 3).to(BF16)
    exact = make_cell("LSTM", 3, 4)
    exact.load_state_dict(rnn.cell.cell.state_dict())
    torch.testing.assert_close(rnn(x)[0], RNN(exact, "reference")(x.float())[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_in_other_precisions_nothing_changes(dtype: torch.dtype) -> None:
    cell, x = make_cell("GRU", 3, 4).to(dtype), torch.randn(2, 5, 3, dtype=dtype)
    y, state = RNN(MixedPrecision(cell), "reference")(x)
    assert torch.equal(y, RNN(cell, "reference")(x)[0])
    assert state.dtype == dtype


def test_what_is_inside_keeps_its_noise_and_its_learned_state() -> None:
    cell = MixedPrecision(Zoneout(LearnedState(make_cell("GRU", 3, 4)), 0.5)).bfloat16()
    nn.init.ones_(next(p for n, p in cell.named_parameters() if "cell.cell.cell" not in n))
    rnn, x = RNN(cell, "reference").train(), torch.randn(2, 5, 3).to(BF16)
    noise = rnn.sample_noise(2, 5)
    assert noise is not None
    y, state = rnn(x, noise=noise)
    assert y.dtype == state.dtype == torch.float32
    assert not torch.equal(y, rnn(x, noise=map_state(torch.zeros_like, noise))[0])
    assert rnn.initial_state(2).dtype == torch.float32
