"""Which function of the library computes a scan, with its functions in plain torch, and its own.

Its Triton kernels are interpreted on the CPU, where it is installed; that is slow.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.engines.peers import installed
from ostinato.engines.peers.fla_scan import NAME

from .fla_functions import MODULES

CASES = {
    "linear attention": (None, None, 1, False),
    "RetNet": ("head", None, 1, False),
    "GLA": ("key", None, 1, False),
    "two writes": ("key", None, 2, True),
    "DeltaNet": (None, "k", 1, True),
    "Gated DeltaProduct": ("head", "k", 3, True),
    "KDA": ("key", "k", 1, True),
    "RWKV-7": ("key", "other", 2, False),
    "another key": ("head", "other", 1, True),
}


@pytest.fixture
def stand_in(install):
    install(**MODULES)


@pytest.fixture
def interpreted(monkeypatch):
    """The library itself, its kernels in Triton's interpreter; tuning takes the first choice."""
    if find_spec("fla") is None:
        pytest.skip("fla is not installed")
    if torch.cuda.is_available():
        pytest.skip("its kernels run on the device")
    autotuner = pytest.importorskip("triton.runtime.autotuner").Autotuner
    language = importlib.import_module("triton.language")
    interpreter = importlib.import_module("triton.runtime.interpreter")
    with warnings.catch_warnings():
        # It says that there is no device.
        warnings.simplefilter("ignore")
        for folder in ("gla", "simple_gla", "kda", "gated_delta_rule", "generalized_delta_rule"):
            importlib.import_module(f"fla.ops.{folder}")
    took = property(lambda _: lambda call, quantiles: [1.0, 1.0, 1.0])
    monkeypatch.setattr(autotuner, "do_bench", took, raising=False)
    patch = interpreter._patch_lang_tensor

    # Recent releases of NumPy make no number of an array of one.
    def patched(tensor, scope):
        patch(tensor, scope)
        for name in ("__index__", "__int__"):
            scope.set_attr(tensor, name, lambda self: int(np.asarray(self.handle.data).item()))

    def steps(*given):
        tensors = any(isinstance(each, language.core.tensor) for each in given)
        return map(number, range(*given)) if tensors else range(*given)

    def number(i):
        handle = interpreter.TensorHandle(np.array([i], np.int32), language.int32)
        return language.core.tensor(handle, language.int32)

    monkeypatch.setattr(interpreter, "_patch_lang_tensor", patched)
    for name in [name for name in sys.modules if name.startswith("fla.ops")]:
        monkeypatch.setattr(sys.modules[name], "range", steps, raising=False)
        # The interpreter does not find it under another name.
        monkeypatch.setattr(sys.modules[name], "IS_GATHER_SUPPORTED", False, raising=False)
    monkeypatch.setattr(installed, "DEVICES", ("cpu",))


def made(gate, erasing, n, beta, rows=2, count=20, keys=16, values=16):
    """Arguments of `matrix_scan`, all of which want a gradient."""
    shape = rows, count * n, 2
    k, other = (torch.nn.functional.normalize(torch.randn(*shape, keys), dim=-1) for _ in "ab")
    given = {
        "q": torch.randn(rows, count, 2, keys),
        "k": k,
        "v": torch.randn(*shape, values),
        "initial_state": torch.randn(rows, 2, keys, values),
    }
    if gate:
        given["g"] = -torch.rand(rows, count, 2, keys if gate == "key" else 1)
    if erasing == "other":
        given["erase"] = other
    if beta:
        given["beta"] = 2 * torch.rand(shape)
    given = {name: x.requires_grad_() for name, x in given.items()}
    return given | ({"erase": k} if erasing == "k" else {})


def outcome(given, **options):
    o, state = ost.matrix_scan(**given, output_final_state=True, **options)
    loss = (o.sin() * o).sum() + state.square().sum()
    leaves = {id(x): x for x in given.values()}
    return [o, state, *torch.autograd.grad(loss, list(leaves.values()))]


def compared(given, tolerance, **options):
    found, expected = (outcome(given, backend=each, **options) for each in (NAME, None))
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert float((a - b).detach().norm() / b.detach().norm()) < tolerance


@pytest.mark.parametrize("case", CASES)
def test_the_function_is_the_one(stand_in, case):
    compared(made(*CASES[case], count=6), 1e-5)


@pytest.mark.parametrize("case", ["GLA", "Gated DeltaProduct"])
def test_sequences_end_to_end(stand_in, case):
    given = made(*CASES[case], rows=1, count=12)
    borders = torch.tensor([0, 5, 6, 12])
    state = torch.randn(3, 2, 16, 16, requires_grad=True)
    compared(given | {"initial_state": state}, 1e-5, cu_seqlens=borders, scale=0.5)


def test_lower_precision_stays(stand_in):
    given = made(*CASES["KDA"], count=6)
    for name in ("q", "k", "v"):
        given[name] = given[name].detach().bfloat16()
    given["erase"] = given["k"]
    o, state = ost.matrix_scan(**given, output_final_state=True, backend=NAME)
    assert (o.dtype, state.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*does not support float32")
@pytest.mark.parametrize("case", CASES)
def test_its_own_kernels(interpreted, case):
    compared(made(*CASES[case], rows=1), 1e-4)


def test_what_it_does_not_take(stand_in, monkeypatch):
    given = made(*CASES["GLA"], count=3)
    with pytest.raises(ArgumentError, match="No backend is called 'fla'"):
        ost.matrix_scan(**given, backend="fla")
    exact = {name: x.double() for name, x in given.items()}
    with pytest.raises(ArgumentError, match="float64 on cpu"):
        ost.matrix_scan(**exact, backend=NAME)
    monkeypatch.setattr(installed, "DEVICES", ("cuda",))
    with pytest.raises(ArgumentError, match="float32 on cpu"):
        ost.matrix_scan(**given, backend=NAME)


def test_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(installed, "find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, "fla", raising=False)
    with pytest.raises(MissingExtraError, match="pip install flash-linear-attention"):
        ost.matrix_scan(**made(*CASES["GLA"], count=3), backend=NAME)
