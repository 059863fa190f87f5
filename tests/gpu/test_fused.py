"""The fused engine on a device, against the loop on the CPU."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.state import leaves

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CELLS = ("Elman", "LSTM", "GRU", "LayerNormLSTM", "MinimalGated", "ParaGRU", "ParaLSTM", "SLSTM")


def outcome(cell, engine, x, reverse=False, **options):
    """Outputs, last state and all gradients, on the CPU."""
    x = x.clone().requires_grad_()
    y, last = ost.RNN(cell, engine, reverse=reverse)(x, **options)
    results = leaves((y, last))
    loss = torch.stack([(r * r + r).sum() for r in results]).sum()
    wanted = [x, *cell.parameters()]
    grads = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [t.cpu() for t in (*results, *grads)]


def compare(cell, x, bound=1e-10, **options):
    expected = outcome(deepcopy(cell).double(), "reference", x.double(), **options)
    there = {k: v.cuda() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    found = outcome(deepcopy(cell).cuda(), "fused", x.cuda(), **there)
    for a, b in zip(found, expected, strict=True):
        scale = 1 + float(b.detach().abs().max())
        torch.testing.assert_close(a.double(), b, rtol=0, atol=bound * scale)


@pytest.mark.parametrize(
    ("rows", "steps", "size"), [(1, 1, 5), (3, 2, 17), (17, 5, 64), (40, 64, 33)]
)
@pytest.mark.parametrize("name", CELLS)
def test_cells(name, rows, steps, size):
    cell, x = make_cell(name, 3, size).double(), torch.randn(rows, steps, 3, dtype=torch.float64)
    compare(cell, x)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("name", CELLS)
def test_single_precision(name, size):
    compare(make_cell(name, 3, size), torch.randn(33, 20, 3), bound=2e-5)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_products_may_be_told_to_round(precision):
    torch.set_float32_matmul_precision(precision)
    try:
        bound = {"high": 1e-4, "medium": 2e-2}[precision]
        compare(make_cell("LSTM", 3, 64), torch.randn(20, 10, 3), bound=bound)
    finally:
        torch.set_float32_matmul_precision("highest")


RESETS = torch.tensor([[0, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]).bool()


@pytest.mark.parametrize(
    "options",
    [
        {"reverse": True},
        {"lengths": torch.tensor([4, 0, 2])},
        {"resets": RESETS},
        {"resets": RESETS, "reverse": True},
        {"checkpoint": 3},
    ],
    ids=["reverse", "lengths", "resets", "reversed resets", "checkpoint"],
)
@pytest.mark.parametrize("name", ["LSTM", "ParaLSTM"])
def test_options_of_a_call(name, options):
    cell, x = make_cell(name, 2, 19).double(), torch.randn(3, 4, 2, dtype=torch.float64)
    compare(cell, x, **options)


@pytest.mark.parametrize("seed", range(40))
def test_random_steps(seed):
    from fuzz.steps import RandomCell

    cell = RandomCell(seed).double()
    x = tuple(leaf.double() for leaf in cell.example(5, 6))

    def run(cell, engine, x):
        leaf = [each.clone().requires_grad_() for each in x]
        y, last = ost.RNN(cell, engine)(tuple(leaf))
        results = leaves((y, last))
        loss = torch.stack([(r * r + r).sum() for r in results]).sum()
        wanted = [*leaf, *cell.parameters()]
        grads = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        return [t.cpu() for t in (*results, *grads)]

    expected = run(cell, "reference", x)
    for a, b in zip(run(cell.cuda(), "fused", [t.cuda() for t in x]), expected, strict=True):
        scale = 1 + float(b.detach().abs().max())
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9 * scale)
