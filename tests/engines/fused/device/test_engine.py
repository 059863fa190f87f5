"""Cells on kernels for devices, interpreted: outputs, last state and gradients."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves
from ostinato.engines.fused.backend import Triton
from ostinato.engines.fused.engine import FusedLoop
from ostinato.wrap import Leak, LearnedState, Normalised, Residual, Zoneout

from ..kernels import outcome as scanned
from ..steps import STEPS

CELLS = ("Elman", "LSTM", "GRU", "LayerNormLSTM", "MinimalGated", "ParaGRU", "ParaLSTM", "SLSTM")
# Their results have no derivative to compare, or the engine on the CPU refuses them too.
REFUSED = ("unary.aten_detach", "pointwise.logical_of_reals", "fill.result")


def outcome(cell, engine, x, reverse=False, **options):
    """Outputs, last state and the gradients of inputs, state and parameters."""
    x = x.clone().requires_grad_()
    generator = torch.Generator().manual_seed(4)
    state = cell.initial_state(len(x))
    flat = [torch.randn(s.shape, generator=generator).to(s) / 2 for s in leaves(state)]
    flat = [leaf.requires_grad_() for leaf in flat]
    given = flat[0] if isinstance(state, torch.Tensor) else tuple(flat)
    torch.manual_seed(5)
    y, last = ost.RNN(cell, engine, reverse=reverse)(x, given, **options)
    results = leaves((y, last))
    loss = torch.stack([(r * r + r).sum() for r in results]).sum()
    wanted = [x, *flat, *cell.parameters()]
    grads = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [*results, *grads]


def compare(cell, x, **options):
    """Against the reference in float64; float32 may lose what the reference loses in it."""
    bound = 1e-10 if x.dtype is torch.float64 else 2e-5
    found = outcome(cell, "triton", x, **options)
    expected = outcome(deepcopy(cell).double(), "reference", x.double(), **options)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype is x.dtype
        scale = 1 + float(b.detach().abs().max())
        torch.testing.assert_close(a.double(), b, rtol=0, atol=bound * scale)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CELLS)
def test_cells(name, dtype):
    cell = make_cell(name, 3, 5).to(dtype)
    compare(cell, torch.randn(3, 5, 3, dtype=dtype))


@pytest.mark.parametrize("rows", [1, 3, 17])
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("name", ["LSTM", "ParaGRU"])
def test_rows_and_steps(name, steps, rows):
    compare(make_cell(name, 2, 33).double(), torch.randn(rows, steps, 2, dtype=torch.float64))


@pytest.mark.parametrize("size", [16, 17, 40])
@pytest.mark.parametrize("name", ["GRU", "LayerNormLSTM"])
def test_products_of_other_sizes(name, size):
    """On chip and from the caches; a power of two and with tails."""
    compare(make_cell(name, 4, size).double(), torch.randn(2, 2, 4, dtype=torch.float64))


OPTIONS = {
    "reverse": {"reverse": True},
    "lengths": {"lengths": torch.tensor([4, 0, 2])},
    "resets": {"resets": torch.tensor([[0, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]).bool()},
    "reversed resets": {
        "reverse": True,
        "resets": torch.tensor([[0, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]).bool(),
    },
    "checkpoint": {"checkpoint": 3},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["LSTM", "ParaLSTM"])
def test_options_of_a_call(name, options):
    cell = make_cell(name, 2, 3).double()
    compare(cell, torch.randn(3, 4, 2, dtype=torch.float64), **OPTIONS[options])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda cell: Zoneout(cell, 0.3),
        lambda cell: Residual(cell, projection=True),
        lambda cell: Leak(LearnedState(cell), 0.4),
        lambda cell: Normalised(cell, at=("readout",)),
    ],
    ids=["zoneout", "residual", "leak", "normalised"],
)
def test_wrappers(wrap):
    cell = wrap(make_cell("GRU", 5, 5)).double()
    compare(cell, torch.randn(2, 3, 5, dtype=torch.float64))


@pytest.mark.parametrize("name", [name for name in list(STEPS)[::6] if name not in REFUSED])
def test_steps(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STEPS if name not in REFUSED])
def test_all_steps(name):
    check(name)


def check(name):
    """One of the small steps that the language is made of."""
    step = STEPS[name]
    # Near zero, since some of them grow without bounds.
    h, x = (0.3 * torch.randn(*shape, 6, dtype=torch.float64) for shape in ((3,), (2, 3)))

    def both(h, x):
        return (step(h, x),) * 2

    found, expected = (scanned(both, h, x, (), e, {}) for e in ("triton", "reference"))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_second_derivatives_go_through_torch():
    cell, x = make_cell("GRU", 2, 3).double(), torch.randn(2, 3, 2, dtype=torch.float64)

    def function(each):
        return ost.RNN(cell, "triton")(each)[0]

    assert torch.autograd.gradgradcheck(function, (x.requires_grad_(),))


def test_the_form_is_told():
    layer = ost.RNN(make_cell("Elman", 2, 3), "triton")
    told = ost.explain(layer, torch.zeros(1, 2, 2))
    assert "form: on chip" in str(told)


def test_a_device_without_triton_says_what_to_install(monkeypatch):
    monkeypatch.setattr("ostinato.engines.fused.backend._has_triton", lambda: False)
    assert "pip install 'ostinato[gpu]'" in Triton().obstacle()


def test_another_device_is_named():
    x = torch.zeros(2, 3, 2, device="meta")
    reason = FusedLoop().decline(recurrence_of(x))
    assert reason == "code is generated for CPU and CUDA, and the tensors lie on meta"


def recurrence_of(x):
    """What a scan over x (T, B, D) asks of an engine."""
    return Recurrence(lambda h, x: (h + x, h), torch.zeros(3, 2, device="meta"), x, steps=2)


def test_the_loop_is_one_operation_of_a_compiled_graph():
    cell, x = make_cell("LSTM", 3, 5), torch.randn(3, 5, 3, requires_grad=True)
    layer = torch.compile(ost.RNN(cell, "triton"), fullgraph=True, backend="aot_eager")
    wanted = [x, *cell.parameters()]
    y, expected = layer(x)[0], ost.RNN(cell, "reference")(x)[0]
    torch.testing.assert_close(y, expected)
    for a, b in zip(*(torch.autograd.grad(r.sum(), wanted) for r in (y, expected)), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-5)
