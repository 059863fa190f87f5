from __future__ import annotations

import pytest
import torch

from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN
from ostinato.train.importance import chance, saliency, size
from ostinato.train.pruning import prune, recurrent_weights
from ostinato.wrap import LowRank, parametrise

NAMES = ["recur.weight", "input.weight"]


def elman():
    torch.manual_seed(0)
    return make_cell("Elman", 3, 4, dtype=torch.float64)


def squared(cell, x):
    return lambda: RNN(cell, "reference")(x)[0].square().sum()


def test_size():
    cell = elman()
    assert torch.equal(size(cell, NAMES)["recur.weight"], cell.recur.weight.detach().abs())


def test_saliency_is_what_the_loss_changes_by():
    cell, x, scale = elman(), torch.randn(2, 5, 3, dtype=torch.float64), 1e-6
    loss = squared(cell, x)
    found = saliency(loss)(cell, NAMES)["recur.weight"]
    before = loss().item()
    with torch.no_grad():
        cell.recur.weight[1, 2] *= 1 - scale
    assert abs(loss().item() - before) / scale == pytest.approx(float(found[1, 2]), rel=1e-3)


def test_the_least_salient_go_first():
    """Of two inputs the one that is always zero has weights that change nothing."""
    cell, x = elman(), torch.randn(2, 5, 3, dtype=torch.float64)
    x[..., 1] = 0
    prune(cell, 0.3, ["input.weight"], by=saliency(squared(cell, x)))
    assert not cell.input.weight[:, 1].any()
    assert cell.input.weight[:, [0, 2]].all()


def test_chance_follows_its_generator():
    one, other = (
        prune_at_random(torch.Generator().manual_seed(seed)).recur.weight for seed in (0, 0)
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, prune_at_random(torch.Generator().manual_seed(1)).recur.weight)
    assert int((one == 0).sum()) == 8


def prune_at_random(generator):
    cell = elman()
    prune(cell, 0.5, ["recur.weight"], by=chance(generator))
    return cell


@pytest.mark.parametrize("by", ["size", "saliency", "chance"])
def test_what_is_cut_stays_cut(by):
    cell, x = elman(), torch.randn(2, 5, 3, dtype=torch.float64)
    ways = {"size": size, "chance": chance(), "saliency": saliency(squared(cell, x))}
    names = recurrent_weights(cell)
    cut = []
    for sparsity in (0.3, 0.6):
        prune(cell, sparsity, by=ways[by])
        cut.append({name: cell.get_submodule(name[:-7]).weight == 0 for name in names})
    for name in names:
        assert not (cut[0][name] & ~cut[1][name]).any()


def test_a_weight_made_of_two_has_no_saliency():
    cell = parametrise(elman(), {"recur.weight": LowRank(2)})
    with pytest.raises(ArgumentError, match=r"needs one trained number.*Prune it by `size`"):
        prune(cell, 0.5, ["recur.weight"], by=saliency(lambda: cell.recur.weight.sum()))
