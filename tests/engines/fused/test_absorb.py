"""Which operations on the input the kernel takes over from torch."""

from __future__ import annotations

import torch

from ostinato.compiler.fission import Kind, split
from ostinato.compiler.trace import trace
from ostinato.engines.fused.absorb import absorb

W = torch.randn(4, 4)


def absorbed(step, x):
    """Names of the operations of the input part, before and after."""
    fission = split(trace(step, torch.zeros(3, 4), x))
    taken = absorb(fission, torch.float32)
    return [[node.target.__name__ for node in f.of(Kind.INPUT)] for f in (fission, taken)]


def test_products_and_functions_of_the_input():
    before, after = absorbed(lambda h, x: (torch.tanh(h + torch.relu(x) @ W), h), torch.zeros(3, 4))
    assert before
    assert not after


def test_what_the_language_lacks_stays_with_all_that_leads_to_it():
    def step(h, x):
        y = x * 2
        return torch.tanh(h + torch.special.bessel_j0(y).sum(-1, keepdim=True)), y

    _, after = absorbed(step, torch.zeros(3, 4))
    assert any("mul" in name for name in after)
    assert any("bessel" in name for name in after)
    assert not any("sum" in name for name in after)


def test_what_follows_it_does_not():
    table = torch.randn(9, 4)
    before, after = absorbed(
        lambda h, i: (torch.tanh(h + table[i] @ W), h), torch.zeros(3, dtype=torch.int64)
    )
    assert len(after) == len(before) - 1
    assert not any("mm" in name for name in after)


def test_other_precisions_stay_outside():
    _, after = absorbed(lambda h, x: (h + (x * 2).float(), h), torch.zeros(3, 4).double())
    assert any("mul" in name for name in after)


def put_out(step, carry, x):
    """Shapes, for each row, of what the loop puts out, before and after."""
    fission = split(trace(step, carry, x))
    taken = absorb(fission, torch.float32)
    return [[tuple(n.meta["val"].shape[1:]) for n in f.exports] for f in (fission, taken)]


def test_a_sum_over_the_state_leaves_only_its_result_to_be_put_out():
    def step(state, x):
        state = 0.9 * state + x[:, :, None] * x[:, None, :]
        return state, (state * (x @ W)[..., None]).sum(-2)

    before, after = put_out(step, torch.zeros(3, 4, 4), torch.zeros(3, 4))
    assert before == [(4, 4)]
    assert after == [(4,)]


def test_a_sum_stays_outside_where_the_state_has_to_be_put_out_all_the_same():
    def step(h, x):
        h = 0.9 * h + x
        return h, h - h.mean(-1, keepdim=True)

    before, after = put_out(step, torch.zeros(3, 4), torch.zeros(3, 4))
    assert before == after == [(4,)]


def test_a_sum_that_the_language_lacks_stays_outside():
    def step(h, x):
        h = 0.9 * h + x
        return h, torch.special.bessel_j0(h).sum(-1)

    before, after = put_out(step, torch.zeros(3, 4), torch.zeros(3, 4))
    assert before == after == [(4,)]
