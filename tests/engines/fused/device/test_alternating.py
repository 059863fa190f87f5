"""Cells in the alternating form: outputs, last state and gradients are those of the reference."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import interpreted_engine
import ostinato as ost
from ostinato.cells import make_cell
from ostinato.engines.fused.device.alternating import Alternating, multiply
from ostinato.engines.fused.device.forms import ALTERNATING

from ..steps import STEPS
from .kernels import kernel
from .test_engine import OPTIONS, check, compare
from .test_heads import HeadsLSTM

sys.path.insert(0, str(Path(__file__).parents[3] / "fuzz"))

from differential import TOLERANCE
from differential import compare as differ


@pytest.fixture(autouse=True, scope="module")
def alternating(interpreted):
    """The engine "triton" takes this form wherever there are products."""
    interpreted_engine.install(ALTERNATING)
    yield
    interpreted_engine.install()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("LSTM", torch.float64), ("GRU", torch.float64), ("LSTM", torch.float32)],
)
def test_cells(name, dtype):
    compare(make_cell(name, 3, 5).to(dtype), torch.randn(3, 5, 3, dtype=dtype))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Elman", "LayerNormLSTM", "SLSTM", "MinimalGated"])
def test_other_cells(name):
    compare(make_cell(name, 3, 17).double(), torch.randn(17, 5, 3, dtype=torch.float64))


def test_heads():
    compare(HeadsLSTM(3, 12, heads=3).double(), torch.randn(2, 3, 3, dtype=torch.float64))


def test_layer_norm_beside_products():
    compare(make_cell("LayerNormLSTM", 2, 3).double(), torch.randn(2, 1, 2, dtype=torch.float64))


SOME = ("lengths", "reversed resets", "checkpoint")
REST = (pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS if name not in SOME)


@pytest.mark.parametrize("options", [*SOME, *REST])
def test_options_of_a_call(options):
    cell = make_cell("GRU", 2, 3).double()
    compare(cell, torch.randn(3, 4, 2, dtype=torch.float64), **OPTIONS[options])


PRODUCTS = [name for name in STEPS if name.startswith(("product", "fill.matmul", "fill.heads"))]


@pytest.mark.parametrize("name", PRODUCTS[::4])
def test_products(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRODUCTS)
def test_all_products(name):
    check(name)


# Some that multiply.
SEEDS = (1007, 1010, 1016, 1019)


@pytest.mark.parametrize(
    "seed", [*SEEDS, *(pytest.param(n, marks=pytest.mark.slow) for n in range(100))]
)
def test_random_steps(seed):
    worst, reason = differ(seed, "triton")
    assert reason is None or "jumps" in reason
    assert reason or worst <= TOLERANCE


def test_a_product_of_several_axes_into_rows_that_lie_apart():
    x, matrix, wide = torch.randn(4, 3, 6), torch.randn(6, 5), torch.zeros(4, 20)
    multiply(x, matrix, wide[:, :15].view(4, 3, 5))
    torch.testing.assert_close(wide[:, :15].view(4, 3, 5), x @ matrix)
    assert not wide[:, 15:].any()


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6)])
def test_products_of_16_bits_round_what_they_multiply_and_not_the_sum(shape):
    x, matrix = torch.randn(*shape), torch.randn(*shape[:-2], 6, 5).bfloat16()
    out = torch.empty(*shape[:-1], 5)
    multiply(x, matrix, out)
    torch.testing.assert_close(out, x.bfloat16().float() @ matrix.float())


def test_the_form_is_told():
    layer = ost.RNN(make_cell("Elman", 2, 3), "triton")
    told = ost.explain(layer, torch.zeros(1, 2, 2))
    assert "form: alternating (a step by estimate: on chip" in str(told)


def test_a_product_that_is_put_out_lies_there_at_once():
    """No kernel copies what torch multiplies, and the state of an LSTM needs but one kernel."""
    saving = kernel(STEPS["product.linear"]).programs["forward_saving"]
    division = Alternating(saving, "float64").division
    assert [division.ports[value] for value in division.products] == list(division.kept)
    backward = Alternating(kernel(STEPS["product.mm"]).programs["backward"], "float64").division
    assert [backward.ports[value] for value in backward.products] == ["next_0"]
