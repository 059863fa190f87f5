from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError, ShapeError

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


def test_what_does_not_fit_is_refused():
    q, k, v, g, a = made()
    with pytest.raises(ShapeError, match=r"q, k and v must be \(B, T, H, K\)"):
        ost.matrix_scan(q[0], k[0], v[0])
    with pytest.raises(ShapeError, match=r"k must be \(B, T·n, H, K\)"):
        ost.matrix_scan(q, k[:, :-1], v[:, :-1])
    with pytest.raises(ShapeError, match="erase must be like k"):
        ost.matrix_scan(q, k, v, g, a[..., :2])
    with pytest.raises(ShapeError, match=r"g must be \[2, 11, 3\], or with the keys"):
        ost.matrix_scan(q, k, v, g[:, 1:])
    with pytest.raises(ShapeError, match=r"initial_state must be \[2, 3, 4, 5\]"):
        ost.matrix_scan(q, k, v, initial_state=torch.zeros(2, 3, 5, 4))
    with pytest.raises(ArgumentError, match="power of 2; got 48"):
        ost.matrix_scan(q, k, v, chunk_size=48)
