"""Rank and sparsity of any cell's recurrence, and the law of its spectral radius."""

from __future__ import annotations

import math

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.wrap.recurrent_connectivity import recurrent_maps, restrict_recurrence
from ostinato.wrap.weights import Mask

BLOCKS = {"Elman": 1, "GRU": 3, "LSTM": 4, "CfC": 4}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def matrices(cell):
    return torch.cat([m.linear.weight.unflatten(0, (m.blocks, -1)) for m in recurrent_maps(cell)])


@pytest.mark.parametrize("name", BLOCKS)
def test_every_gate_has_its_rank_and_every_weight_its_zeros(name):
    cell = restrict_recurrence(make_cell(name, 3, 12), rank=3)
    assert torch.linalg.matrix_rank(matrices(cell)).tolist() == [3] * BLOCKS[name]
    cell = restrict_recurrence(make_cell(name, 3, 12), rank=3, sparsity=0.7, generator=seeded())
    (found,) = recurrent_maps(cell)
    assert int((found.linear.weight == 0).sum()) == round(0.7 * found.linear.weight.numel())
    assert ost.RNN(cell)(torch.randn(2, 5, 3))[0].isfinite().all()


def test_without_rank_and_sparsity_the_cell_is_an_ordinary_one():
    cell = restrict_recurrence(make_cell("Elman", 3, 8))
    assert [*cell.state_dict()] == [*make_cell("Elman", 3, 8).state_dict()]
    torch.testing.assert_close(cell.recur.weight @ cell.recur.weight.T, torch.eye(8))


def test_masked_products_of_the_factors_get_no_gradient():
    cell = restrict_recurrence(make_cell("CfC", 3, 6), rank=2, sparsity=0.5)
    before = cell.recur.weight
    before.retain_grad()
    (before * torch.randn_like(before)).sum().backward()
    alone = cell.recur.parametrizations.weight
    whole = alone[0](alone.original0, alone.original1).detach().requires_grad_()
    alone[1](whole).sum().backward()
    assert torch.equal(whole.grad == 0, ~alone[1].mask)
    assert all(factor.grad is not None for factor in (alone.original0, alone.original1))


def test_the_mask_is_saved_and_is_no_parameter():
    def make(seed):
        cell = make_cell("LSTM", 3, 6)
        return restrict_recurrence(cell, rank=2, sparsity=0.5, generator=seeded(seed))

    one, two = make(0), make(1)
    assert not any("mask" in name for name, _ in one.named_parameters())
    assert not torch.equal(one.recur.weight, two.recur.weight)
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.recur.weight, two.recur.weight)


# n = 256, mean of 4 draws; within 10 %, the bound of the published analysis.
LAW = [
    ("orthogonal", 32, 0.5, math.sqrt(0.5 * 32 / 256)),
    ("glorot", 128, 0.8, math.sqrt(0.2 * 256 * 128) * 2 / 384),
    ("glorot", None, 0.95, math.sqrt(0.05)),
    ("orthogonal", None, 0.0, 1.0),
]


@pytest.mark.parametrize(("init", "rank", "sparsity", "radius"), LAW)
def test_the_law_of_the_spectral_radius(init, rank, sparsity, radius):
    found = []
    for seed in range(4):
        cell = make_cell("Elman", 1, 256)
        options = {"rank": rank, "sparsity": sparsity, "init": init}
        restrict_recurrence(cell, **options, generator=seeded(seed))
        found.append(float(torch.linalg.eigvals(matrices(cell).detach()).abs().max()))
    assert sum(found) / 4 == pytest.approx(radius, rel=0.1)


@pytest.mark.parametrize("rank", [None, 3])
def test_a_radius_that_is_asked_for(rank):
    cell = restrict_recurrence(make_cell("GRU", 3, 9), rank=rank, sparsity=0.3, radius=0.9)
    radii = torch.linalg.eigvals(matrices(cell).detach()).abs().amax(-1)
    torch.testing.assert_close(radii, torch.full((3,), 0.9))


def test_the_mask_can_be_looked_at():
    cell = restrict_recurrence(make_cell("GRU", 3, 9), sparsity=0.3)
    (mask,) = cell.recur.parametrizations.weight
    assert isinstance(mask, Mask)


def test_what_cannot_be():
    with pytest.raises(ArgumentError, match="LRUCell has no linear map of its state"):
        restrict_recurrence(make_cell("LRU", 3, 4), rank=1)
    with pytest.raises(ArgumentError, match="Did you mean 'glorot'"):
        restrict_recurrence(make_cell("GRU", 3, 4), init="glorott")
    with pytest.raises(ArgumentError, match="blocks of rank 5"):
        restrict_recurrence(make_cell("GRU", 3, 4), rank=5)
