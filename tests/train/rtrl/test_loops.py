"""The compiled loops, against the recursion written out."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused.toolchain import find_compiler
from ostinato.train.rtrl import loops

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")


def drawn(steps, rows, units, leaves, width, inner, dtype):
    torch.manual_seed(0)
    kept = torch.randn(rows, units, leaves, width, inner, dtype=dtype)
    jacobian = [
        [torch.rand(steps, rows, units, dtype=dtype) / leaves for _ in range(leaves)]
        for _ in range(leaves)
    ]
    changes = [torch.randn(steps, rows, 2 * units * width, dtype=dtype) for _ in range(leaves)]
    # A part of what a constant does, as the loops are given it.
    changes = [each[..., units * width :] for each in changes]
    operand = torch.randn(rows, steps, inner, dtype=dtype).transpose(0, 1)
    return kept, jacobian, changes, operand if inner > 1 else None


def written_out(kept, jacobian, changes, operand, held=None, cut=None):
    rows, units, leaves, width, _ = kept.shape
    for t in range(len(changes[0])):
        before = kept if cut is None else torch.where(cut[t, :, None, None, None, None], 0, kept)
        new = []
        for i in range(leaves):
            i_t = changes[i][t].view(rows, units, width, 1)
            a_t = 1 if operand is None else operand[t, :, None, None]
            moved = sum(jacobian[i][j][t][..., None, None] * before[:, :, j] for j in range(leaves))
            new.append(moved + i_t * a_t)
        kept = torch.stack(new, 2)
        if held is not None:
            kept = torch.where(held[t, :, None, None, None, None], before, kept)
    return kept


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("leaves", [1, 2])
@pytest.mark.parametrize(
    ("steps", "rows", "units", "width", "inner"),
    [(1, 1, 1, 1, 1), (1, 3, 100, 1, 37), (9, 2, 70, 2, 5), (5, 2, 7, 1, 1), (70, 1, 9, 3, 130)],
)
def test_a_segment(steps, rows, units, leaves, width, inner, dtype):
    given = drawn(steps, rows, units, leaves, width, inner, dtype)
    tolerance = 1e-12 if dtype is torch.float64 else 1e-4
    expected = written_out(*given)
    torch.testing.assert_close(
        loops.advance(*given, None, None), expected, rtol=tolerance, atol=tolerance
    )
    held, cut = torch.rand(steps, rows) < 0.3, torch.rand(rows, steps).T < 0.2
    found = loops.advance(*given, held, cut)
    expected = written_out(*given, held, cut)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_nothing_of_what_was_before_a_restart_is_read():
    kept, jacobian, changes, operand = drawn(4, 2, 3, 1, 1, 5, torch.float64)
    cut = torch.zeros(4, 2, dtype=torch.bool)
    cut[2] = True
    kept[0, 0], jacobian[0][0][1], changes[0][0] = float("nan"), float("nan"), float("inf")
    found = loops.advance(kept, jacobian, changes, operand, None, cut)
    later = [[[each[2:] for each in row] for row in jacobian], [changes[0][2:]], operand[2:]]
    expected = loops.advance(torch.zeros_like(kept), *later, None, None)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_what_is_absent_is_zero():
    kept, jacobian, changes, operand = drawn(3, 2, 4, 2, 1, 3, torch.float64)
    some = [[jacobian[0][0], None], [jacobian[1][0], jacobian[1][1]]]
    zero = torch.zeros_like(changes[1])
    full = [[jacobian[0][0], torch.zeros_like(jacobian[0][1])], some[1]]
    found = loops.advance(kept, some, [changes[0], None], operand, None, None)
    expected = loops.advance(kept, full, [changes[0], zero], operand, None, None)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_share_units(threads, monkeypatch):
    monkeypatch.setattr(loops, "_LEAST", 1)
    given = drawn(3, 2, 130, 1, 1, 7, torch.float64)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = loops.advance(*given, None, None)
        total = torch.ones(130, 7, dtype=torch.float64)
        errors = torch.randn(2, 130, dtype=torch.float64)
        loops.contract(total, given[0], [errors])
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, written_out(*given))
    expected = 1 + torch.einsum("bn,bnd->nd", errors, given[0][:, :, 0, 0])
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize("inner", [1, 5, 70])
def test_sums_over_rows_and_leaves(inner):
    kept = torch.randn(3, 6, 2, 2, inner)
    errors = [torch.randn(3, 6) for _ in range(2)]
    total = torch.zeros(12, inner)
    loops.contract(total, kept, errors)
    expected = torch.einsum("kbn,bnkmd->nmd", torch.stack(errors), kept).flatten(0, 1)
    torch.testing.assert_close(total, expected)
