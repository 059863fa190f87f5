from __future__ import annotations

from functools import partial

import pytest
import torch

import ostinato as ost
from ostinato.engines.parallel import recurrence
from ostinato.engines.parallel.full_precision import full_precision

from .loop import random, values_and_gradients
from .steps import PerHead

CPU, CUDA = torch.backends.mkldnn.matmul, torch.backends.cuda.matmul


@pytest.fixture(autouse=True)
def as_torch_begins():
    yield
    torch.set_float32_matmul_precision("highest")
    CPU.fp32_precision = CUDA.fp32_precision = "none"


@pytest.fixture
def rounded():
    torch.set_float32_matmul_precision("medium")


def settings():
    return CPU.fp32_precision, CUDA.fp32_precision


def test_only_where_it_matters_and_not_behind_the_block(rounded):
    with full_precision(torch.ones(1)):
        assert settings() == ("ieee", "tf32")
        with full_precision(torch.ones(1)):
            pass
        assert settings() == ("ieee", "tf32")
    with full_precision(torch.ones(1, dtype=torch.float64)):
        assert settings() == ("bf16", "tf32")
    with pytest.raises(ValueError, match="inside"), full_precision(torch.ones(1)):
        raise ValueError("inside")
    assert settings() == ("bf16", "tf32")
    assert torch.get_float32_matmul_precision() == "medium"


def test_a_setting_of_all_backends_still_counts_behind_it():
    CPU.fp32_precision = "none"
    torch.backends.fp32_precision = "tf32"
    try:
        with full_precision(torch.ones(1)):
            assert CPU.fp32_precision == "ieee"
        assert CPU.fp32_precision == "tf32"
    finally:
        torch.backends.fp32_precision = "none"
    assert CPU.fp32_precision == "none"


@pytest.fixture
def seen(monkeypatch, rounded):
    """The setting at every product of matrices."""
    found, product = [], torch.Tensor.__matmul__

    def watched(a, b):
        found.append(CPU.fp32_precision)
        return product(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", watched)
    return found


def test_scans_of_torch_multiply_in_full(seen, monkeypatch):
    monkeypatch.setattr(recurrence, "_loop", lambda form, b: None)
    a, b, init = random("dense", 9, dtype=torch.float32)
    h = ost.affine_scan(a.requires_grad_(), b, init.requires_grad_(), kind="dense")
    h.sum().backward()
    assert len(seen) > 4
    assert set(seen) == {"ieee"}
    assert settings() == ("bf16", "tf32")


def test_the_engine_multiplies_in_full(seen):
    x = torch.randn(2, 9, 3)
    # The plan is made, and tried against the step, before.
    with ost.newton(damping=0.1):
        layer = ost.RNN(PerHead(), "parallel")
        layer(x)
        seen.clear()
        layer(x)
    assert set(seen) == {"ieee"}
    assert settings() == ("bf16", "tf32")


def test_results_are_those_without_the_setting(rounded, monkeypatch):
    monkeypatch.setattr(recurrence, "_loop", lambda form, b: None)
    given = random("dense", 33, dtype=torch.float32)
    scan = partial(ost.affine_scan, kind="dense")

    def results():
        return [*values_and_gradients(scan, given), *torch.func.jvp(scan, given, given)]

    with torch.autocast("cpu", torch.bfloat16):
        found = results()
    torch.set_float32_matmul_precision("highest")
    assert all(map(torch.equal, found, results()))
