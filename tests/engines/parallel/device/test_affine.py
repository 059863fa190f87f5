"""Affine cores whose A and b are computed by the kernel of their scan, interpreted."""

from __future__ import annotations

from itertools import product

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.engines.parallel.device.newton import Kernels

from ..loop import assert_near, masks
from ..steps import AFFINE, Affine
from .test_engine import compare, outcome

pytestmark = pytest.mark.usefixtures("interpreted")


class Spiral(Affine):
    """Two leaves that turn into each other by an angle of the input."""

    def __init__(self):
        super().__init__(6, (2,), (2,))

    def forward(self, x, state):
        angle, u, v = self.from_input(x).chunk(3, -1)
        re, im = state
        cos, sin = 0.9 * torch.cos(angle), 0.9 * torch.sin(angle)
        new = cos * re - sin * im + u, sin * re + cos * im + v
        return new[0] * im, new


CELLS = {
    "Gated": AFFINE["Gated"],
    "Rotation": AFFINE["Rotation"],
    "Spiral": Spiral,
    "MinGRU": lambda: make_cell("MinGRU", 3, 4),
    # Complex numbers, as pairs of real leaves.
    "LRU": lambda: make_cell("LRU", 3, 4),
}


@pytest.fixture(autouse=True)
def solved(monkeypatch):
    """How many calls kernels solved."""
    found, solve = [], Kernels.solve

    def noted(self):
        found.append(self)
        return solve(self)

    monkeypatch.setattr(Kernels, "solve", noted)
    return found


@pytest.mark.parametrize(
    ("name", "which", "reverse", "part"),
    [
        ("MinGRU", "none", False, 9),
        ("Rotation", "none", True, 3),
        ("MinGRU", "lengths", True, 3),
        ("LRU", "both", False, 3),
        ("MinGRU", "both", True, 9),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in product(CELLS, ("lengths", "resets", "both"), (False, True), (3, 9))
        ),
    ],
)
def test_values_and_gradients(name, which, reverse, part, in_parts, solved):
    in_parts(part)
    compare(CELLS[name](), 7, reverse=reverse, **masks(which, 7))
    assert len(solved) >= 1


def test_the_first_state_has_a_gradient(in_parts, solved):
    in_parts(3)
    cell, x = Spiral().double(), torch.randn(2, 5, 3, dtype=torch.float64)
    found = []
    for engine in ("parallel", "reference"):
        state = tuple(torch.ones(2, 2, dtype=torch.float64, requires_grad=True) for _ in "ab")
        y, last = ost.RNN(cell, engine)(x, state)
        found.append(torch.autograd.grad(y.square().sum() + last[0].sum(), state))
    assert_near(*found, 1e-12)
    assert solved


def test_a_gradient_can_be_differentiated_again(in_parts, solved):
    in_parts(3)
    cell, found = AFFINE["Rotation"]().double(), []
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    wanted = [x, *cell.parameters()]
    for engine in ("parallel", "reference"):
        loss = ost.RNN(cell, engine)(x)[0].sin().sum()
        first = torch.autograd.grad(loss, wanted, create_graph=True)
        slope = torch.stack([each.square().sum() for each in first]).sum()
        found.append([*first, *torch.autograd.grad(slope, wanted)])
    assert_near(*found, 1e-12)
    assert solved


def test_inputs_under_autocast_are_read_as_they_are(in_parts, solved):
    in_parts(3)
    cell, x, found = make_cell("MinGRU", 3, 5), torch.randn(3, 7, 3), []
    steered = masks("both", 7)
    for engine in ("parallel", "reference"):
        with torch.autocast("cpu", torch.bfloat16):
            found.append(outcome(cell, engine, x, **steered))
    assert {each.dtype for kernels in solved for each in kernels.inputs} == {torch.bfloat16}
    assert_near(found[0][:2], found[1][:2], 1e-5)
    assert_near(*found, 4 * torch.finfo(torch.bfloat16).eps)


def test_states_beyond_all_bounds_are_kept(solved):
    """Nothing begins again from a guess."""
    layer = ost.RNN(make_cell("MinGRU", 3, 4).double(), "parallel")
    x = 1e12 * torch.randn(1, 5, 3, dtype=torch.float64)
    expected = ost.RNN(layer.cell, "reference")(x)[0]
    assert expected.abs().max() > 1e9
    torch.testing.assert_close(layer(x)[0], expected)
    assert solved


def test_explain_names_the_form(in_parts):
    in_parts(4)
    notes = ost.explain(ost.RNN(Spiral(), "parallel"), torch.randn(2, 9, 3)).as_dict()[0]["notes"]
    assert notes == ["A, b and the scan in generated kernels, 3 parts of 4 steps side by side"]


def test_more_than_kernels_hold_takes_the_scan(solved):
    cell = AFFINE["Dense"]().double()
    x = torch.randn(2, 3, 3, dtype=torch.float64)
    assert_near(outcome(cell, "parallel", x), outcome(cell, "reference", x), 1e-12)
    assert not solved
