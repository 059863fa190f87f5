from __future__ import annotations

from random import Random

import pytest
import torch
from torch.nn import functional as F

from ostinato.compiler.alike import alike
from ostinato.compiler.fission import split
from ostinato.compiler.structure import read
from ostinato.compiler.trace import trace

K, V = 3, 4
WEIGHT, PER_COLUMN = torch.randn(K, K), torch.randn(V)


def found(step, x=(K,), carry=(K, V)):
    ((same,),) = alike(split(trace(step, torch.zeros(2, *carry), torch.zeros(2, *x))))
    return same


def erased(h, x):
    k = F.normalize(x, dim=-1)[..., None]
    return h + k * (x[..., :1, None] - (k * h).sum(-2, keepdim=True))


@pytest.mark.parametrize(
    "step",
    [
        erased,
        lambda h, x: torch.sigmoid(x)[..., None] * h + PER_COLUMN,
        lambda h, x: torch.einsum("kj,bkc->bjc", WEIGHT, h) / (1 + x * x)[..., None],
        lambda h, x: torch.bmm((x[:, :, None] * x[:, None]), h) + PER_COLUMN,
        lambda h, x: x[..., None].expand_as(h) * h - h.flip(-2),
        lambda h, x: torch.where(x[..., None] > 0, h, -0.5 * h),
        lambda h, x: torch.cat([h[:, 1:], h[:, :1] * WEIGHT[0, 0]], 1),
        lambda h, x: h.transpose(1, 2).flatten(0, 1).matmul(WEIGHT).view(-1, V, K).transpose(1, 2),
        lambda h, x: PER_COLUMN.expand_as(h),
    ],
)
def test_one_matrix_for_all_columns(step):
    assert found(lambda h, x: (step(h, x), h)) == V


@pytest.mark.parametrize(
    "step",
    [
        lambda h, x: PER_COLUMN * h,
        lambda h, x: h / PER_COLUMN,
        lambda h, x: x.repeat(1, V).view(-1, K, V) * h,
        lambda h, x: torch.einsum("ckj,bkc->bjc", WEIGHT * PER_COLUMN.view(-1, 1, 1), h),
        lambda h, x: torch.where(PER_COLUMN > 0, h, 2 * h),
        lambda h, x: torch.cat([h[..., :1], 2 * h[..., 1:]], -1),
        lambda h, x: h.tril(),
        lambda h, x: torch.tanh(h),
        lambda h, x: h * h,
        lambda h, x: x[..., None] / (1 + h.abs()),
        lambda h, x: h.cumsum(-1).sort(-1).values,
    ],
)
def test_columns_that_are_not_known_to_be_alike(step):
    assert found(lambda h, x: (step(h, x), h)) == 1


def test_other_leaves_are_held():
    def step(state, x):
        memory, peak = state
        new = torch.maximum(peak, x[:, 0])
        memory = torch.exp(peak - new)[:, None, None] * memory
        return (memory, new), x

    carry = (torch.zeros(2, K, V), torch.zeros(2))
    assert alike(split(trace(step, carry, torch.zeros(2, K)))) == [[V, 1], [1, 1]]


def test_states_without_columns_are_left_alone():
    assert found(lambda h, x: (h + x, h), carry=(K,)) == 1


def drawn(random):
    """A step of some random operations on a matrix state, numbers of the input and of columns."""
    column, weight = torch.randn(V, dtype=torch.float64), torch.randn(K, K, dtype=torch.float64)
    moves = [
        lambda h, x: x[..., None] * h,
        lambda h, x: h + column,
        lambda h, x: torch.einsum("kj,bkc->bjc", weight, h),
        lambda h, x: h.flip(1) - x[:, :1, None],
        lambda h, x: torch.cat([h[:, 1:], x[:, None, :1] * h[:, :1]], 1),
        lambda h, x: h - x[..., None] * (x[..., None] * h).sum(1, keepdim=True),
        lambda h, x: torch.where(x[..., None] > 0, h, 0.5 * h + column),
        lambda h, x: h / (2 + torch.sin(x))[..., None],
        lambda h, x: column * h,
        lambda h, x: (
            h + torch.cat([h[..., :1] * 0, column[1:] * x[:, :1, None].expand(-1, K, 3)], -1)
        ),
        lambda h, x: h.reshape(-1, V).roll(1, -1).view_as(h),
        lambda h, x: h + 0.1 * h.sum((1, 2), keepdim=True),
        lambda h, x: torch.tanh(h),
    ]
    # Those that part columns, or mix them, are rarer, or no step would keep them alike.
    weights = [4.0] * 8 + [0.5] * 5
    picked = random.choices(moves, weights, k=random.randint(1, 5))

    def step(h, x):
        for move in picked:
            h = move(h, x)
        return h

    return step


def check(step, h, x):
    """Compare what is claimed of a step with its Jacobian; whether columns are said to be alike."""
    coupling = read(split(trace(lambda h, x: (step(h, x), h), h, x))).couplings[0][0]
    if coupling.columns == 1 and coupling.block != (1, 1):
        return False
    jacobian = torch.func.jacrev(lambda each: step(each, x))(h)[0, :, :, 0]
    own = jacobian.diagonal(0, 1, 3)
    torch.testing.assert_close(torch.diag_embed(own, dim1=1, dim2=3), jacobian)
    if coupling.alike > 1:
        torch.testing.assert_close(own, own[..., :1].expand_as(own))
    return coupling.alike > 1


def test_what_is_claimed_of_random_steps_holds_of_their_jacobians():
    torch.manual_seed(0)
    random = Random(0)
    h, x = (torch.randn(1, *shape, dtype=torch.float64) for shape in ((K, V), (K,)))
    claims = sum(check(drawn(random), h, x) for _ in range(30))
    assert 10 < claims < 30
