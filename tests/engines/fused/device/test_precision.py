"""How exactly products multiply: as torch's settings say, or as the types of a step."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

import interpreted_engine
import ostinato as ost
from ostinato.bench.device_code import kernel_of
from ostinato.cells import make_cell
from ostinato.core.state import leaves
from ostinato.engines.fused.device.forms import ALTERNATING, PERSISTENT
from ostinato.engines.fused.device.precision import precision
from ostinato.engines.fused.lower import lower
from ostinato.wrap import MixedPrecision

from ..steps import W, fissioned

BF16, FP16 = torch.bfloat16, torch.float16


@pytest.fixture
def settings():
    """Torch's settings, as they were."""
    yield torch.backends.cuda.matmul
    torch.backends.cuda.matmul.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")


def precision_of_float32():
    core = replace(lower(fissioned(lambda h, x: torch.tanh(h @ W + x))), factors=torch.float32)
    assert precision(core, torch.float64) == "ieee"
    return precision(core, torch.float32)


def test_what_torch_is_allowed_is_allowed_here(settings):
    for allowed, expected in (("high", "tf32x3"), ("medium", "tf32"), ("highest", "ieee")):
        torch.set_float32_matmul_precision(allowed)
        assert precision_of_float32() == expected


def test_the_newer_setting_is_read_too(settings):
    settings.fp32_precision = "tf32"
    assert precision_of_float32() == "tf32"
    settings.fp32_precision = "ieee"
    assert precision_of_float32() == "ieee"


def outcome(cell, engine, x, autocast=None):
    """Outputs, the last state, gradients of input and parameters."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", autocast, enabled=autocast is not None):
        y, state = ost.RNN(cell, engine)(x)
    results = [y, *leaves(state)]
    loss = sum((each * each).sum().float() for each in results)
    return [*results, *torch.autograd.grad(loss, [x, *cell.parameters()])]


def errors(cell, x, autocast=None):
    """Relative to float64, of the kernel and of the reference."""
    exact = outcome(deepcopy(cell).double(), "reference", x.double())
    found = (outcome(cell, e, x, autocast) for e in ("triton", "reference"))
    for values in zip(exact, *found, strict=True):
        (true, ours, theirs) = (each.detach() for each in values)
        assert ours.dtype == theirs.dtype
        yield *(float((e.double() - true).norm() / true.norm()) for e in (ours, theirs)), ours


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("LSTM", BF16), ("GRU", BF16), ("GRU", FP16),
     pytest.param("SLSTM", BF16, marks=pytest.mark.slow),
     pytest.param("SLSTM", FP16, marks=pytest.mark.slow),
     pytest.param("LSTM", FP16, marks=pytest.mark.slow),
     pytest.param("LayerNormLSTM", BF16, marks=pytest.mark.slow),
     pytest.param("LayerNormLSTM", FP16, marks=pytest.mark.slow)],
)  # fmt: skip
def test_a_cell_in_16_bits_is_no_further_from_float64_than_the_reference(name, dtype):
    """On the whole: what torch rounds before and after the loop is common to both."""
    torch.manual_seed(1)
    cell, x = make_cell(name, 8, 32).to(dtype), torch.randn(3, 12, 8).to(dtype)
    found = list(errors(cell, x))
    assert {value.dtype for _, _, value in found} == {dtype}
    ratios = [math.log(ours / theirs) for ours, theirs, _ in found]
    assert sum(ratios) / len(ratios) < math.log(0.8)
    assert max(ours for ours, _, _ in found) < 8 * torch.finfo(dtype).eps


@pytest.mark.parametrize("form", [ALTERNATING, PERSISTENT])
@pytest.mark.parametrize(
    ("name", "dtype"), [("LSTM", BF16), pytest.param("GRU", FP16, marks=pytest.mark.slow)]
)
def test_so_it_is_in_other_forms(name, dtype, form, interpreted):
    torch.manual_seed(1)
    interpreted_engine.install(form)
    try:
        cell, x = make_cell(name, 8, 32).to(dtype), torch.randn(3, 5, 8).to(dtype)
        assert form in str(ost.explain(ost.RNN(cell, "triton"), x))
        found = list(errors(cell, x))
    finally:
        interpreted_engine.install()
    ratios = [math.log(ours / theirs) for ours, theirs, _ in found]
    assert sum(ratios) / len(ratios) < math.log(0.8)
    # Factors were rounded, so this is not float32 either.
    assert torch.finfo(dtype).eps / 32 < found[0][0] < 8 * torch.finfo(dtype).eps


def test_autocast_multiplies_in_16_bits_and_keeps_the_state():
    torch.manual_seed(1)
    cell, x = make_cell("GRU", 8, 32), torch.randn(3, 12, 8)
    found = list(errors(cell, x, BF16))
    assert all(ours <= theirs for ours, theirs, _ in found)
    # Factors were rounded, so this is not float32 either.
    assert found[0][0] > 1e-4
    assert found[1][2].dtype == torch.float32


def test_weights_in_16_bits_under_a_float32_state_are_multiplied_as_float32():
    torch.manual_seed(1)
    cell, x = MixedPrecision(make_cell("GRU", 8, 32)).bfloat16(), torch.randn(3, 12, 8).to(BF16)
    y, state = ost.RNN(cell, "triton")(x)
    assert (y.dtype, state.dtype) == (torch.float32, torch.float32)
    exact = ost.RNN(MixedPrecision(cell.cell.double()), "reference")(x.double())[0]
    assert float((y.double() - exact).detach().abs().max()) < 1e-6


def test_only_what_is_multiplied_is_stored_short():
    made = kernel_of(make_cell("GRU", 3, 16).to(BF16), 3)
    made.device = "cpu"
    tensors = [torch.randn(value.shape) for value in made.core.constants]
    ports = made.constants(tensors)
    stored = {port.tensor.dim(): port.tensor.dtype for port in ports.values()}
    assert stored == {2: BF16, 1: torch.float32}


def test_second_derivatives_of_16_bits():
    cell, x = make_cell("GRU", 3, 4).to(BF16), torch.randn(2, 3, 3).to(BF16).requires_grad_()

    def curvature(engine):
        y, _ = ost.RNN(cell, engine)(x)
        (slope,) = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.float().square().sum(), x)[0]

    a, b = curvature("triton"), curvature("reference")
    torch.testing.assert_close(a, b, rtol=0.05, atol=0.05 * float(b.abs().max()))


@pytest.mark.slow
def test_16_bits_in_a_compiled_graph():
    cell, x = make_cell("GRU", 3, 16).to(BF16), torch.randn(2, 3, 3).to(BF16)
    layer = torch.compile(ost.RNN(cell, "triton"), fullgraph=True, backend="aot_eager")
    y, state = layer(x)
    expected = ost.RNN(cell, "triton")(x)
    assert y.dtype == state.dtype == BF16
    torch.testing.assert_close((y, state), expected)
