"""Every cell that is affine in its state: its structure, and the scan that it allows."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.state import leaves, map_state

F64 = torch.float64
CELLS = {
    "MinGRU": ("elementwise", {}),
    "MinLSTM": ("elementwise", {"positive": True}),
    "LRU": ("2×2", {}),
    "S5": ("2×2", {}),
    "SelectiveSSM": ("elementwise", {"state_size": 3}),
    "GatedLinearAttention": ("elementwise", {"heads": 2, "rank": 3}),
    "RGLRU": ("elementwise", {}),
    "HGRN": ("2×2", {"lower_bound": 0.2}),
}

pytestmark = pytest.mark.usefixtures("quick_compile")


def made(name, **options):
    torch.manual_seed(0)
    return make_cell(name, 3, 4, **CELLS[name][1], **options)


@pytest.mark.parametrize("name", CELLS)
def test_its_structure_is_found_and_parallel_takes_it(name):
    found = ost.explain(ost.RNN(made(name), "parallel"), torch.randn(2, 9, 3)).as_dict()[0]
    assert found["chosen"] == "parallel"
    structure = found["structure"]
    assert structure["affine"]
    assert structure["verified"]
    assert structure["pattern"] == "elementwise"
    couplings = len(structure["couplings"])
    assert couplings == (4 if CELLS[name][0] == "2×2" else 1)


@pytest.mark.parametrize("call", ["plain", "lengths", "resets"])
@pytest.mark.parametrize("steps", [1, 63, 64])
@pytest.mark.parametrize("name", CELLS)
def test_parallel_and_fused_equal_the_reference(name, steps, call):
    cell = made(name, dtype=F64)
    x = torch.randn(3, steps, 3, dtype=F64)
    state = map_state(torch.randn_like, cell.initial_state(3))
    options = {
        "plain": {},
        "lengths": {"lengths": torch.tensor([steps, 1, steps // 2])},
        "resets": {"resets": torch.rand(3, steps) < 0.2},
    }[call]
    expected = outcome(cell, "reference", x, state, options)
    for engine in ("parallel", "fused"):
        for a, b in zip(outcome(cell, engine, x, state, options), expected, strict=True):
            torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def outcome(cell, engine, x, state, options):
    """Outputs, last state, and the gradients of input, state and parameters."""
    x, state = map_state(lambda leaf: leaf.clone().requires_grad_(), (x, state))
    y, last = ost.RNN(cell, engine)(x, state, **options)
    loss = y.square().sum() + sum(leaf.square().sum() for leaf in leaves(last))
    return [y, *leaves(last), *torch.autograd.grad(loss, [x, *leaves(state), *cell.parameters()])]


@pytest.mark.parametrize("name", CELLS)
def test_float32_stays_near_float64_over_many_steps(name):
    cell, x = made(name), torch.randn(1, 10_000, 3)
    exact = ost.RNN(made(name).double(), "parallel")
    with torch.no_grad():
        found = ost.RNN(cell, "parallel")(x)[0].double()
        exact.cell.load_state_dict(cell.state_dict())
        expected = exact(x.double())[0]
    error = (found - expected).abs().amax((0, 2)) / expected.abs().max()
    assert error.max() < 1e-4
    # It does not grow with the length.
    assert error[5_000:].max() < 3 * error[:5_000].max()
