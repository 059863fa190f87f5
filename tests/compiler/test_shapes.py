"""Shape and precision of results, against the operations themselves."""

from __future__ import annotations

import pytest
import torch

from ostinato.compiler.shapes import result

aten = torch.ops.aten
X, WHOLE, MASK = torch.rand(5, 4), torch.ones(5, 1, dtype=torch.long), torch.rand(5, 4) > 0.5
SCALAR, HALF = torch.tensor(2.0, dtype=torch.float64), torch.rand(4).half()

CALLS = {
    "add": (aten.add.Tensor, X, HALF),
    "add_zero_dim": (aten.add.Tensor, X, SCALAR),
    "add_whole": (aten.add.Tensor, WHOLE, X),
    "mul_number": (aten.mul.Tensor, WHOLE, 1.5),
    "div": (aten.div.Tensor, WHOLE, WHOLE),
    "exp_whole": (aten.exp.default, WHOLE),
    "gt": (aten.gt.Scalar, X, 0),
    "where": (aten.where.self, MASK, X, SCALAR),
    "clamp": (aten.clamp.default, X, 0),
    "and": (aten.bitwise_and.Tensor, MASK, MASK),
    "zero_dim": (aten.tanh.default, SCALAR),
    "mm": (aten.mm.default, X, torch.rand(4, 3)),
    "bmm": (aten.bmm.default, X[None], torch.rand(1, 4, 3)),
    "addmm": (aten.addmm.default, torch.rand(3), X, torch.rand(4, 3)),
    "sum": (aten.sum.dim_IntList, X, [-1]),
    "sum_all": (aten.sum.dim_IntList, X, []),
    "sum_none": (aten.sum.dim_IntList, X, None, True),
    "sum_mask": (aten.sum.dim_IntList, MASK, [0], True),
    "amax": (aten.amax.default, X, [0, 1]),
    "amax_empty": (aten.amax.default, X),
    "amin": (aten.amin.default, WHOLE, [-1], True),
    "view": (aten.view.default, X, [2, 10]),
    "cat": (aten.cat.default, [X, X.double()], 1),
}  # fmt: skip


def bare(value):
    if isinstance(value, list) and value and isinstance(value[0], torch.Tensor):
        return [bare(each) for each in value]
    return value.to("meta") if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("name", CALLS)
def test_results_are_as_of_the_operation(name):
    func, *args = CALLS[name]
    found, expected = result(func, [bare(arg) for arg in args], {}), func(*args)
    assert found.is_meta
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


def test_options_are_heeded():
    found = result(aten.sum.dim_IntList, [bare(X), [0]], {"dtype": torch.float64})
    assert found.dtype is torch.float64
    assert result(aten.add.Tensor, [bare(X), bare(X)], {"alpha": 2}).shape == X.shape


@pytest.mark.parametrize(
    "call",
    [
        (aten.add.Tensor, X, torch.rand(3)),
        (aten.mm.default, X, X),
        (aten.mm.default, X, X.T.double()),
        (aten.addmm.default, torch.rand(3, 1), X, torch.rand(4, 3)),
        (aten.bmm.default, torch.rand(2, 5, 4), torch.rand(3, 4, 3)),
    ],
)
def test_what_does_not_fit_is_refused(call):
    func, *args = call
    with pytest.raises(RuntimeError):
        result(func, [bare(arg) for arg in args], {})
