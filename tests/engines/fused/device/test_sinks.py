"""What is put out for the gradients of constants, and the sums over it."""

from __future__ import annotations

import torch
from torch import nn

from ..steps import W
from .kernels import kernel

linear = nn.Linear(6, 6).double()


def put_out(step):
    return set(kernel(step).programs["backward"].results)


def test_what_is_read_or_put_out_anyway_is_not_put_out_again():
    # The state is read, and the cotangent of the product is that of x.
    assert put_out(lambda h, x: torch.tanh(h @ W + x)) == {"grad_input_0"}


def test_a_product_of_something_else_is_put_out():
    names = put_out(lambda h, x: torch.tanh((h * h) @ W) + x)
    assert sorted(name.split("_")[0] for name in names) == ["grad", "sink", "sink"]


def test_sums_are_gone_from_the_kernel():
    program = kernel(lambda h, x: linear(h) * x).programs["backward"]
    assert not program.sums
    assert not program.outers
