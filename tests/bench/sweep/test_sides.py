"""Columns of a table that are not engines compute what engines do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.bench.steps import DiagonalStep
from ostinato.bench.sweep.bare import OverGrid
from ostinato.bench.sweep.sides import NEWTON, side
from ostinato.cells import make_cell
from ostinato.core.errors import EngineError
from ostinato.engines.parallel.options import Newton
from ostinato.over.time import RNN

X = torch.randn(2, 12, 4)


class OnCuda(torch.Tensor):
    """A tensor that says so."""

    is_cuda = True


@pytest.mark.parametrize("name", ["in turn", "convolution"])
def test_both_views_of_a_linear_system_are_the_recurrence(name):
    cell = make_cell("LSSL", 4, 4, state_size=3, channels=2).double()
    x = X.double()
    torch.testing.assert_close(side(cell, name)(x), RNN(cell, "reference")(x)[0])


def test_a_grid_is_run_in_blocks_of_any_size():
    module = OverGrid(4, 4, heads=2, mode="D").double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    outcomes = [side(module, name)(X.double()) for name in ("wavefront", "blocks", "full gating")]
    assert module.layer.block is None
    torch.testing.assert_close(outcomes[1], outcomes[0])
    torch.testing.assert_close(outcomes[2], outcomes[0])


@pytest.mark.parametrize("name", NEWTON)
def test_methods_are_options_of_newton(name):
    Newton(**NEWTON[name])
    cell = make_cell("GRU", 4, 2)
    torch.testing.assert_close(side(cell, name)(X), RNN(cell, "reference")(X)[0])


def test_a_step_is_compiled_anew_for_every_cell(monkeypatch):
    done = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: done.append("reset"))
    monkeypatch.setattr(torch, "compile", lambda step, **options: done.append("compile") or step)
    cell = make_cell("Elman", 4, 2)
    torch.testing.assert_close(side(cell, "compiled step")(X), RNN(cell, "reference")(X)[0])
    assert done == ["reset", "compile"]


@pytest.mark.parametrize("name", ["on chip", "alternating", "graph"])
def test_forms_of_a_device_are_declined_elsewhere(name):
    with pytest.raises(EngineError, match="CUDA"):
        side(make_cell("GRU", 4, 2), name)(X)


@pytest.mark.parametrize("form", ["on chip", "alternating"])
def test_a_form_runs_by_an_engine_of_no_name(form):
    """In Triton's interpreter."""
    cell = make_cell("Elman", 4, 2)
    x = X[:, :3].as_subclass(OnCuda)
    with torch.no_grad():
        found = side(cell, form)(x).as_subclass(torch.Tensor)
        torch.testing.assert_close(found, RNN(cell, "reference")(X[:, :3])[0])


def test_a_form_that_does_not_fit_is_not_another():
    cell, x = DiagonalStep(2, 2), X.as_subclass(OnCuda)
    with pytest.raises(EngineError, match="cannot take the form 'alternating', but: on chip, on"):
        side(cell, "alternating")(x)


def test_a_loop_is_recorded_once_for_a_size(monkeypatch):
    recorded = []

    def record(loop, samples):
        recorded.append(samples[0].requires_grad)
        return loop

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    x = X.as_subclass(OnCuda).requires_grad_()
    cell = make_cell("Elman", 4, 2)
    run = side(cell, "graph")
    for _ in range(2):
        found = run(x).as_subclass(torch.Tensor)
    torch.testing.assert_close(found, RNN(cell, "reference")(X)[0])
    assert recorded == [True]
    assert run(x[:, :3]).shape == (2, 3, 2)
    assert recorded == [True, True]


@pytest.mark.parametrize(
    ("module", "name"),
    [(OverGrid(4, 4, mode="P"), "fused"), (make_cell("GRU", 4, 2), "blocks")],
)
def test_grids_and_cells_are_run_differently(module, name):
    with pytest.raises(EngineError, match="Grids are run as wavefront, blocks, full gating"):
        side(module, name)


def test_a_grid_is_as_square_as_it_can_be(monkeypatch):
    module, seen = OverGrid(4, 4, mode="P"), []
    monkeypatch.setattr(module, "layer", nn.Identity())
    module.layer.register_forward_hook(lambda layer, given, y: seen.append(given[0].shape))
    for steps in (12, 7, 9):
        module(X[:, :1].expand(2, steps, 4))
    assert [tuple(shape[1:3]) for shape in seen] == [(3, 4), (1, 7), (3, 3)]
