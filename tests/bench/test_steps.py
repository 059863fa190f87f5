"""The steps are what they are called, keep the contract, and leave no way around `fused`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.bench.peers import torch_module
from ostinato.bench.steps import ElmanStep, GRUStep, HeadsStep, LeakyStep, LSTMStep

STEPS = [LSTMStep, GRUStep, ElmanStep, LeakyStep, HeadsStep]


@pytest.mark.parametrize("step", STEPS)
def test_the_fused_engine_takes_it_and_torch_does_not(step):
    told = ost.explain(ost.RNN(step(8, 8)), torch.randn(2, 3, 8)).decisions[0]
    assert told.reasons["fused"] is None
    assert told.reasons["torch"]


@pytest.mark.parametrize(
    ("step", "kind"), [(LSTMStep, nn.LSTM), (GRUStep, nn.GRU), (ElmanStep, nn.RNN)]
)
def test_the_dense_ones_are_those_of_torch(step, kind):
    cell, x = step(3, 5), torch.randn(2, 7, 3)
    expected, _ = torch_module(kind)(cell)(x)
    assert torch.allclose(ost.RNN(cell, "reference")(x)[0], expected, atol=1e-6)


def test_heads_do_not_see_each_other():
    cell = HeadsStep(8, 8, heads=4)
    jacobian = torch.autograd.functional.jacobian(
        lambda h: cell(torch.zeros(1, 8), h)[0], torch.randn(1, 8)
    )
    same_head = torch.kron(torch.eye(4), torch.ones(2, 2)).bool()
    assert bool(jacobian[0, :, 0].ne(0).eq(same_head).all())


def test_every_unit_of_the_leaky_one_has_a_time_constant_of_its_own():
    cell = LeakyStep(3, 5)
    kept = cell(torch.zeros(1, 3), torch.zeros(1, 5))[0]
    with torch.no_grad():
        cell.raw_tau[0] += 1
    moved = cell(torch.zeros(1, 3), torch.zeros(1, 5))[0]
    assert (moved != kept).tolist() == [[True, False, False, False, False]]
