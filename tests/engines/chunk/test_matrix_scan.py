from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import ostinato as ost

F64 = torch.float64


def made(batch=2, steps=11, updates=1, dtype=F64):
    """q, k, v, g and what is erased; 3 heads, 4 keys, 5 values."""
    rows = batch, steps * updates, 3
    q, k = torch.randn(batch, steps, 3, 4, dtype=dtype), torch.randn(*rows, 4, dtype=dtype) / 2
    return q, k, torch.randn(*rows, 5, dtype=dtype), -torch.rand(batch, steps, 3, dtype=dtype), k


def test_with_equal_decays_it_is_attention():
    q, k, v, _, _ = made()
    o, state = ost.matrix_scan(q, k, v, torch.full((2, 11, 3), -0.3, dtype=F64))
    age = torch.arange(11)[:, None] - torch.arange(11)
    weights = torch.where(age >= 0, torch.exp(-0.3 * age), 0)
    expected = torch.einsum("bihk,bjhk,ij,bjhv->bihv", q, k, weights, v) / 2
    torch.testing.assert_close(o, expected)
    assert state is None


def test_a_decay_for_each_key_equals_a_shared_one():
    q, k, v, g, a = made(updates=2)
    shared = ost.matrix_scan(q, k, v, g, a, output_final_state=True)
    by_key = ost.matrix_scan(q, k, v, g[..., None].expand(-1, -1, -1, 4), a, None, None, None, True)
    torch.testing.assert_close(by_key, shared)


def test_two_parts_are_the_whole():
    q, k, v, g, a = made(updates=2)
    whole = ost.matrix_scan(q, k, v, g, a, output_final_state=True)
    first = ost.matrix_scan(
        q[:, :4], k[:, :8], v[:, :8], g[:, :4], a[:, :8], None, None, None, True
    )
    rest = ost.matrix_scan(
        q[:, 4:], k[:, 8:], v[:, 8:], g[:, 4:], a[:, 8:], None, None, first[1], True
    )
    torch.testing.assert_close(torch.cat([first[0], rest[0]], 1), whole[0])
    torch.testing.assert_close(rest[1], whole[1])


def test_sequences_end_to_end_equal_single_ones():
    q, k, v, g, a = made(batch=1, updates=2)
    state = torch.randn(4, 3, 4, 5, dtype=F64)
    borders = [0, 5, 5, 6, 11]
    o, last = ost.matrix_scan(q, k, v, g, a, None, None, state, True, torch.tensor(borders))
    for i, (begin, end) in enumerate(pairwise(borders)):
        steps, rows = slice(begin, end), slice(2 * begin, 2 * end)
        one = ost.matrix_scan(
            q[:, steps],
            k[:, rows],
            v[:, rows],
            g[:, steps],
            a[:, rows],
            None,
            None,
            state[i, None],
            True,
        )
        torch.testing.assert_close(o[:, steps], one[0])
        torch.testing.assert_close(last[i, None], one[1])


def test_low_precision_is_computed_in_float32():
    given = [x.bfloat16() for x in made()]
    o, state = ost.matrix_scan(*given, output_final_state=True)
    exact, last = ost.matrix_scan(*[x.float() for x in given], output_final_state=True)
    assert o.dtype is torch.bfloat16
    assert o.equal(exact.bfloat16())
    assert state.dtype is torch.float32
    assert state.equal(last)


def step_by_step(q, k, v, g, a, state, reverse):
    """The states before and after every step, and what a query finds in both."""
    before, after = [None] * 11, [None] * 11
    for t in reversed(range(11)) if reverse else range(11):
        before[t] = state
        state = torch.exp(g[:, t])[..., None, None] * state
        for j in (2 * t, 2 * t + 1):
            new = v[:, j] - torch.einsum("bhk,bhkv->bhv", a[:, j], state)
            state = state + k[:, j, :, :, None] * new[:, :, None]
        after[t] = state
    both = torch.stack(before, 1), torch.stack(after, 1)
    return *(torch.einsum("bthk,bthkv->bthv", q, each) / 2 for each in both), both[1], state


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("read", ["inclusive", "exclusive"])
def test_both_reads_and_directions_of_time(read, reverse):
    q, k, v, g, a = (x.requires_grad_() for x in made(updates=2))
    first = torch.randn(2, 3, 4, 5, dtype=F64, requires_grad=True)
    before, after, states, last = step_by_step(q, k, v, g, a, first, reverse)
    expected = (after if read == "inclusive" else before), last, states
    options = {"read": read, "reverse": reverse, "output_states": True, "chunk_size": 4}
    found = ost.matrix_scan(q, k, v, g, a, None, None, first, True, **options)
    torch.testing.assert_close(found, expected)
    grads = [
        torch.autograd.grad(sum(x.sin().sum() for x in each), [q, k, v, g, a, first])
        for each in (found, expected)
    ]
    torch.testing.assert_close(*grads)


def test_sequences_end_to_end_are_read_before_their_own_steps_in_their_own_reverse():
    q, k, v, g, a = made(batch=1, updates=2)
    state = torch.randn(3, 3, 4, 5, dtype=F64)
    borders, options = [0, 5, 5, 11], {"read": "exclusive", "reverse": True, "output_states": True}
    found = ost.matrix_scan(
        q, k, v, g, a, None, None, state, True, torch.tensor(borders), **options
    )
    for i, (begin, end) in enumerate(pairwise(borders)):
        steps, rows = slice(begin, end), slice(2 * begin, 2 * end)
        given = q[:, steps], k[:, rows], v[:, rows], g[:, steps], a[:, rows], None, None
        o, last, states = ost.matrix_scan(*given, state[i, None], True, **options)
        torch.testing.assert_close((found[0][:, steps], found[2][:, steps]), (o, states))
        torch.testing.assert_close(found[1][i, None], last)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_it_is_part_of_a_compiled_graph(backend):
    given = [x.requires_grad_() for x in made(updates=2, dtype=torch.float32)[:4]]

    def run(q, k, v, g):
        return ost.matrix_scan(2 * q, k, v, g, k, output_final_state=True, read="exclusive")

    outcomes = []
    for function in (torch.compile(run, fullgraph=True, backend=backend), run):
        found = function(*given)
        outcomes.append((found, torch.autograd.grad(sum(x.sin().sum() for x in found), given)))
    torch.testing.assert_close(*outcomes, atol=1e-5, rtol=1e-5)
