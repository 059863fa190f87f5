"""The engine `parallel` on kernels for devices, interpreted: outputs, last state and gradients."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.state import leaves

from ..loop import assert_near, masks
from ..steps import AFFINE, Affine

pytestmark = pytest.mark.usefixtures("interpreted")


def outcome(cell, engine, x, reverse=False, **call):
    x = x.clone().requires_grad_()
    y, state = ost.RNN(cell, engine, reverse=reverse)(x, **call)
    results = [y, *leaves(state)]
    loss = torch.stack([(each * each + each).sum() for each in results]).sum()
    wanted = [x, *cell.parameters()]
    grads = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [*results, *grads]


def compare(cell, steps, rows=3, **options):
    cell, x = cell.double(), torch.randn(rows, steps, 3, dtype=torch.float64)
    found, expected = (outcome(cell, e, x, **options) for e in ("parallel", "reference"))
    assert_near(found, expected, 1e-12)


@pytest.mark.parametrize("which", ["none", "both"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", AFFINE)
def test_affine_steps(name, reverse, which, in_parts):
    in_parts(9 if reverse else 3)
    compare(AFFINE[name](), 5, reverse=reverse, **masks(which, 5))


def test_a_matrix_for_many_columns(in_parts):
    in_parts(3)
    compare(make_cell("GatedDeltaNet", 3, 6, heads=2, key_size=2), 5, **masks("both", 5))


class Turned(Affine):
    """Three elements that change places."""

    def __init__(self):
        super().__init__(3, (3,))

    def forward(self, x, h):
        h = 0.5 * h.roll(1, -1) + self.from_input(x)
        return h, h


def test_explain_names_the_form(in_parts, monkeypatch):
    layer, x = ost.RNN(Turned(), "parallel"), torch.randn(2, 9, 3)
    in_parts(4)
    notes = ost.explain(layer, x).as_dict()[0]["notes"]
    assert notes == [
        "torch linearises the step: elements of the state depend on elements elsewhere",
        "scan in generated kernels, 3 parts of 4 steps side by side",
    ]
    monkeypatch.setattr("ostinato.engines.parallel.device.scan.DEVICES", [])
    (note,) = ost.explain(ost.RNN(Turned(), "parallel"), x).as_dict()[0]["notes"]
    assert note == "scan: torch's operations, log₂ T deep"
