"""The gate is green for equal functions, and red for any difference."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from ostinato.bench.cases import contest
from ostinato.bench.verify import disagreement


@pytest.fixture
def built(tiny):
    return contest(tiny, "nn.RNN", tiny.sizes[0])


def test_equal_sides_agree(built):
    assert disagreement(built) is None


@pytest.mark.parametrize("weight", ["weight_ih_l0", "bias_hh_l0", "weight_hh_l0"])
def test_another_weight_is_seen(built, weight):
    with torch.no_grad():
        getattr(built.peer, weight).mul_(1.001)
    assert "outputs" in disagreement(built)


class Detached(nn.RNN):
    """The right outputs with a gradient that ends at the input map."""

    def forward(self, x):
        y, h = super().forward(x)
        return super().forward(x.detach())[0] * 0.5 + y * 0.5, h


def test_a_wrong_gradient_is_seen(built):
    peer = Detached(4, 4, batch_first=True)
    peer.load_state_dict(built.peer.state_dict())
    assert "gradients of x" in disagreement(replace(built, peer=peer))


def test_a_wrong_gradient_of_a_parameter_is_named(built):
    built.peer.weight_hh_l0.register_hook(lambda gradient: gradient * 1.001)
    assert "gradients of recur.weight" in disagreement(built)


def test_nan_is_a_disagreement(built):
    with torch.no_grad():
        for module in (built.ours, built.peer):
            next(module.parameters()).fill_(torch.nan)
    assert "nan" in disagreement(built)


def test_an_engine_that_declines_is_a_disagreement(built):
    built.ours.cell.input.register_forward_hook(lambda *args: None)
    assert "hooks" in disagreement(built)
