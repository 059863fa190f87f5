"""pLSTM on a grid."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.models.graph.plstm_gates import GateOptions
from ostinato.models.graph.plstm_grid import GridPLSTM
from ostinato.models.tracking import Tracking


def layer_of(mode="P", block=None, **options):
    torch.manual_seed(1)
    gates = GateOptions(std=0.5)
    return GridPLSTM(12, 3, mode, gates=gates, block=block, dtype=torch.float64, **options)


def grid(*shape):
    return torch.randn(*shape, 12, dtype=torch.float64)


@pytest.mark.parametrize("mode", "PD")
def test_blocks_of_any_size_give_the_same_values_and_gradients(mode):
    x, results = grid(2, 3, 5), []
    for block in (None, (1, 1), (2, 4)):
        layer = layer_of(mode, block)
        y = layer(x)
        results.append((y, *torch.autograd.grad(y.sin().sum(), list(layer.parameters()))))
    torch.testing.assert_close(results[1], results[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(results[2], results[0], rtol=1e-9, atol=1e-12)


TRACKING = Tracking(states=2, keys=2, values=3, queries=2, outputs=2)


@pytest.mark.parametrize("mode", "PD")
def test_states_that_mix_agree_in_all_blocks_and_stay_bounded(mode):
    options = {"tracking": TRACKING, "transition": "householder", "scale": 1.0, "tied": True}
    x, layers = grid(2, 3, 5), [layer_of(mode, block, **options) for block in (None, (2, 2))]
    torch.testing.assert_close(layers[0](x), layers[1](x), rtol=1e-9, atol=1e-12)
    assert all(p.grad is None for p in layers[0].parameters())
    layers[0](x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in layers[0].parameters())
    gates = layers[0].gates(x)
    norms = [torch.linalg.matrix_norm(t, 2) for t in (gates.t_rl, gates.t_dl)]
    assert gates.t_rl.shape[-2:] == (2, 2)
    assert sum(norms).max() <= 1 + 1e-9


@pytest.mark.parametrize("block", [None, (1, 2)])
def test_a_grid_can_be_run_in_parts(block):
    layer, x = layer_of("D", block, tracking=TRACKING, transition="svd"), grid(2, 5, 3)
    first, second = x[:, :2], x[:, 2:]
    ahead, back = entering(layer.run(first)[1], 0, 2), entering(layer.run(second)[1], 1, 3)
    parts = layer.run(first, back)[0], layer.run(second, ahead)[0]
    torch.testing.assert_close(torch.cat(parts, 1), layer(x))
    upper, lower = x[:, :, :1], x[:, :, 1:]
    ahead, back = entering(layer.run(upper)[2], 0, 1), entering(layer.run(lower)[2], 2, 3)
    parts = layer.run(upper, up=back)[0], layer.run(lower, up=ahead)[0]
    torch.testing.assert_close(torch.cat(parts, 2), layer(x))


def entering(states, *orientations):
    """Of what leaves one part, the orientations that go on in the other."""
    kept = torch.zeros_like(states)
    kept[:, :, list(orientations)] = states[:, :, list(orientations)]
    return kept


def test_with_four_orientations_every_cell_reads_all_and_with_one_what_lies_before():
    for orientations, cells in ((4, 12), (1, 6)):
        x = grid(1, 3, 4).requires_grad_()
        layer_of("D", orientations=orientations)(x)[0, 1, 2].sum().backward()
        reached = x.grad[0].abs().sum(-1) > 0
        assert int(reached.sum()) == cells
        assert reached[:2, :3].all()


def test_a_mirrored_image_with_mirrored_parameters():
    layer, x = layer_of("P"), grid(2, 3, 4)
    y = layer(x)
    with torch.no_grad():
        for parameter in (layer.gates.weight, layer.gates.bias):
            parameter.copy_(parameter[:, [1, 0, 3, 2]].clone())
    torch.testing.assert_close(layer(x.flip(1)).flip(1), y)


def test_tied_queries_are_keys():
    tied, free = layer_of(tied=True), layer_of()
    size = tied.input.weight.shape[0]
    with torch.no_grad():
        free.input.weight[:size] = tied.input.weight
        free.input.weight[size:] = tied.input.weight[:12]
        free.load_state_dict({**tied.state_dict(), "input.weight": free.input.weight})
    x = grid(1, 3, 3)
    torch.testing.assert_close(tied(x), free(x))


def test_it_begins_as_in_the_paper():
    layer = GridPLSTM(400, 4)
    assert float(layer.output.weight.detach().std()) == pytest.approx((0.4 / 400) ** 0.5, rel=0.02)
    assert layer.direct.eq(-6).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="heads must divide the size 12; got heads=5"):
        GridPLSTM(12, 5)
    with pytest.raises(ShapeError, match=r"\(B, X, Y, 12\); got \[2, 3, 12\]"):
        layer_of()(grid(2, 3))


@pytest.mark.parametrize(
    ("block", "chosen"), [(None, "attention"), ((1, 1), "edges"), ((2, 2), "blocks")]
)
def test_the_form_of_a_call_is_told(block, chosen):
    layer = GridPLSTM(8, 2, block=block)
    (told,) = ost.explain(layer, torch.randn(2, 3, 4, 8)).decisions
    assert (told.layer, told.chosen) == ("GridPLSTM", chosen)
    assert told.forms[chosen].obstacle is None
