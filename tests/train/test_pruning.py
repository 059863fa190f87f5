"""Pruning: what is cut, that it stays cut, and that it costs nothing."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN, Stack
from ostinato.train.pruning import finish, gradual_sparsity, percentile, prune, recurrent_weights
from ostinato.wrap.recurrent_connectivity import restrict_recurrence

SIZES = torch.tensor([[0.685, 0.530, 0.464], [0.534, 0.828, 0.045], [0.123, 0.629, 0.014]])


def model(name="GRU", engine="reference"):
    torch.manual_seed(0)
    layers = Stack(RNN(make_cell(name, size, 8), engine) for size in (4, 8))
    return SequenceModel(nn.Embedding(10, 4), layers, nn.Linear(8, 2))


def test_the_threshold_lies_between_two_weights():
    assert percentile({"w": SIZES}, 10) == pytest.approx(0.0388, abs=1e-4)
    cell = make_cell("Elman", 3, 3)
    with torch.no_grad():
        cell.recur.weight.copy_(SIZES)
    prune(cell, 0.1, ["recur.weight"])
    assert (cell.recur.weight == 0).nonzero().tolist() == [[2, 2]]


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_as_much_is_kept_as_was_asked_for(sparsity):
    kept = prune(net := model(), sparsity)
    total = sum(share * _size(net, name) for name, share in kept.items())
    whole = sum(_size(net, name) for name in kept)
    assert total / whole == pytest.approx(1 - sparsity, abs=1 / whole)
    assert len(set(kept.values())) > 1  # one threshold for all, so that layers differ


def test_at_one_a_single_weight_is_left():
    net = model()
    kept = prune(net, 1.0)
    assert sum(share * _size(net, name) for name, share in kept.items()) == pytest.approx(1)


def test_one_threshold_for_all_or_one_for_each():
    net = model()
    with torch.no_grad():
        net.layer.layers[0].cell.recur.weight.mul_(10)
    shares = prune(deepcopy(net), 0.5)
    assert shares["layer.layers.0.cell.recur.weight"] > 0.9
    assert shares["layer.layers.1.cell.recur.weight"] < 0.5
    apart = prune(net, 0.5, pooled=False)
    assert all(share == pytest.approx(0.5, abs=0.01) for share in apart.values())


@pytest.mark.parametrize(
    ("scope", "parts"),
    [("input", {"input"}), ("recurrent", {"recur"}), ("both", {"input", "recur"})],
)
def test_scopes(scope, parts):
    names = recurrent_weights(model("LSTM"), scope)
    assert {name.split(".")[-2] for name in names} == parts
    assert len(names) == 2 * len(parts)
    torchs = recurrent_weights(nn.LSTM(3, 4), scope)
    assert len(torchs) == len(parts)


@pytest.mark.parametrize("name", ["Elman", "GRU", "LSTM"])
def test_what_is_cut_stays_cut_and_computes_what_zeros_compute(name):
    net = model(name)
    prune(net, 0.6)
    cut = {n: (_read(net, n) == 0) for n in recurrent_weights(net)}
    plain = finish(deepcopy(net))
    assert not any("parametrizations" in n for n in plain.state_dict())
    x = torch.randint(10, (3, 6))
    torch.testing.assert_close(net(x)[0], plain(x)[0])
    optimizer = torch.optim.Adam(net.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(x)[0].square().mean().backward()
        optimizer.step()
    for n, zeros in cut.items():
        assert torch.equal(_read(net, n) == 0, zeros)


def test_pruning_further_keeps_what_was_cut():
    net = model()
    prune(net, 0.3)
    before = {n: _read(net, n) == 0 for n in recurrent_weights(net)}
    prune(net, 0.7)
    assert all((_read(net, n)[zeros] == 0).all() for n, zeros in before.items())
    # One mask each, however often it is pruned.
    assert len(net.layer.layers[0].cell.recur.parametrizations.weight) == 1


def test_other_parametrisations_stay():
    cell = restrict_recurrence(make_cell("GRU", 3, 6), rank=2)
    prune(cell, 0.5, "recurrent")
    finish(cell)
    assert len(cell.recur.parametrizations.weight) == 2


def test_generated_code_runs_pruned_cells(quick_compile):
    cell = make_cell("GRU", 3, 4, dtype=torch.float64)
    prune(cell, 0.5)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(ost.RNN(cell, "fused")(x)[0], ost.RNN(cell, "reference")(x)[0])


def test_gates_keep_a_memory_without_recurrent_weights():
    for name, remembers in (("GRU", True), ("LSTM", True), ("Elman", False)):
        cell = make_cell(name, 3, 4)
        with torch.no_grad():
            cell.recur.weight.zero_()
        x = torch.randn(1, 5, 3, requires_grad=True)
        ost.RNN(cell, "reference")(x)[0][:, -1].sum().backward()
        assert bool(x.grad[:, 0].any()) == remembers


def test_the_gradual_schedule():
    assert [gradual_sparsity(p, 0.8) for p in (0, 0.5, 1)] == pytest.approx([0, 0.7, 0.8])
    assert gradual_sparsity(0.2, 0.8, begin=0.25, end=0.75) == 0
    assert gradual_sparsity(0.8, 0.8, begin=0.25, end=0.75) == 0.8


def test_what_cannot_be():
    with pytest.raises(ArgumentError, match=r"sparsity must lie in \[0, 1\]; got 80"):
        prune(model(), 80)
    with pytest.raises(ArgumentError, match="Did you mean 'recurrent'"):
        prune(model(), 0.5, "recurent")
    with pytest.raises(ArgumentError, match="Linear has no matrices of the scope 'both'"):
        prune(nn.Linear(3, 3), 0.5)


def _read(net, name):
    owner, _, tensor = name.rpartition(".")
    return getattr(net.get_submodule(owner), tensor).detach()


def _size(net, name):
    return _read(net, name).numel()
