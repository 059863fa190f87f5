from __future__ import annotations

import torch

from ostinato.experiments import sparsity_pruning as pruning
from ostinato.experiments.experiment import silent
from ostinato.tasks.reber import ReberTask


def test_every_cell_is_pruned_to_every_level(quick_compile):
    size = pruning.Size(epochs=1, strings=64, units=4, layers=1, held_out=20)
    found = pruning.measure(size, 1, silent)
    assert set(found.values) == set(pruning.CLAIMS)
    (panel,) = found.panels
    curves = {curve.label: curve.runs[0] for curve in panel.curves}
    kinds = ("pruned", "one more epoch", "pruned by chance", "pruned by saliency")
    assert set(curves) == {f"{cell}, {kind}" for cell in ("GRU", "ReLU") for kind in kinds}
    after, again = curves["GRU, pruned"], curves["GRU, one more epoch"]
    assert len(after) == len(again) == len(pruning.LEVELS)
    assert found.values[pruning.SAFE["GRU"]] == [after[0] - after[1]]
    assert found.values[pruning.RECOVERED["GRU"]] == [after[0] - again[2]]


def test_bare_nets_stay_bare(quick_compile):
    net = pruning.build("GRU", pruning.Size(epochs=1, units=4), 0)
    bare = pruning.prune_away(net)
    assert len(bare) == 2
    for weight in bare:
        weight.requires_grad_(False)
    losses = pruning.fit(net, ReberTask(), range(2))
    assert len(losses) == 2
    assert not any(torch.any(weight) for weight in bare)
