"""Scans and Newton's method on a device, against the loop on the CPU."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.engines.parallel.newton import Outcome

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def outcome(layer, x, **options):
    """Outputs and all gradients, on the CPU."""
    x = x.clone().requires_grad_()
    y, _ = layer(x, **options)
    wanted = [x, *layer.parameters()]
    return [t.cpu() for t in (y, *torch.autograd.grad(y.square().sum(), wanted))]


@pytest.mark.parametrize("steps", [1, 2, 257, 5000])
@pytest.mark.parametrize("name", ["ParaGRU", "ParaLSTM", "GRU"])
def test_newtons_method(name, steps):
    torch.manual_seed(0)
    cell, x = make_cell(name, 3, 4).double(), torch.randn(2, steps, 3, dtype=torch.float64)
    masks = {"lengths": torch.tensor([steps, steps // 2]), "resets": torch.rand(2, steps) < 0.1}
    expected = outcome(ost.RNN(cell, "reference"), x, **masks)
    layer = ost.RNN(cell.cuda(), "parallel")
    with ost.newton() as solves:
        found = outcome(layer, x.cuda(), **{name: mask.cuda() for name, mask in masks.items()})
    assert {solve.outcome for solve in solves} == {Outcome.CONVERGED}
    assert all((solve.form is not None) == name.startswith("Para") for solve in solves)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 33, 130, 3000])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize(
    ("kind", "shape"), [("diagonal", (3,)), ("block", (3, 2)), ("block", (5, 4)), ("dense", (6,))]
)
def test_affine_scans(kind, shape, dtype, steps, masked):
    generator = torch.Generator().manual_seed(0)
    matrix = shape if kind == "diagonal" else (*shape, shape[-1])
    a, b = (torch.rand(steps, 2, *s, dtype=dtype, generator=generator) for s in (matrix, shape))
    tensors = [a / 8, b, b[0].clone()]
    options = {}
    if masked:
        resets = torch.rand(2, steps, generator=generator) < 0.1
        options = {"lengths": torch.tensor([steps, steps // 2]), "resets": resets}
    there = {name: mask.cuda() for name, mask in options.items()}
    results = []
    for given, masks in ((tensors, options), ([x.cuda() for x in tensors], there)):
        leaves = [x.detach().requires_grad_() for x in given]
        h = ost.affine_scan(*leaves, kind=kind, **masks)
        grads = torch.autograd.grad(h.abs().square().sum(), leaves)
        results.append([x.detach().cpu() for x in (h, *grads)])
    for found, expected in zip(*reversed(results), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-11, rtol=1e-11)
