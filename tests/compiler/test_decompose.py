"""Composite operations taken apart, against the operations themselves in float64."""

from __future__ import annotations

import pytest
import torch
from torch.utils import _pytree as pytree

from ostinato.compiler.decompose import decompositions

aten = torch.ops.aten
GAIN, SHIFT = torch.randn(2, 6)
OPERATIONS = {
    "layer norm": (aten.native_layer_norm.default, ([6], GAIN, SHIFT, 1e-5)),
    "group norm": (aten.native_group_norm.default, (GAIN, SHIFT, 40, 6, 1, 2, 1e-5)),
    "softmax": (aten._softmax.default, (-1, False)),
    "log softmax": (aten._log_softmax.default, (-1, False)),
    "mean": (aten.mean.dim, ([-1], True)),
    "variance": (aten.var.correction, ([-1],)),
    "norm": (aten.linalg_vector_norm.default, (2, [-1])),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", OPERATIONS)
def test_rounded_once(name, dtype):
    operation, rest = OPERATIONS[name]
    x = (3 * torch.randn(40, 6) + 5).to(dtype)
    rest = pytree.tree_map_only(torch.Tensor, lambda each: each.to(dtype), rest)
    found = pytree.tree_leaves(decompositions()[operation](x, *rest))[0]
    rest = pytree.tree_map_only(torch.Tensor, torch.Tensor.double, rest)
    expected = pytree.tree_leaves(operation(x.double(), *rest))[0]
    assert found.dtype == dtype
    # A rounding; and that of sums, of float32 or float64, beside it.
    eps = torch.finfo(dtype).eps
    bounds = (
        {"rtol": 0.51 * eps, "atol": 1e-5} if dtype.itemsize < 4 else {"rtol": 0, "atol": 1e-12}
    )
    torch.testing.assert_close(found.double(), expected, **bounds)


@pytest.mark.parametrize("shape", [(3,), (300, 2), (2, 0)])
def test_a_unit_matrix_of_any_size_can_be_run(shape):
    rule = decompositions()[aten.eye.default if len(shape) == 1 else aten.eye.m]
    assert torch.equal(rule(*shape, dtype=torch.float64), torch.eye(*shape, dtype=torch.float64))
