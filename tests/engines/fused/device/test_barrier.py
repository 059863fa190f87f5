"""What programs that wait for one another read."""

from __future__ import annotations

import pytest
import torch

triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")

from ostinato.engines.fused.device.barrier import gathered, meet, slab  # noqa: E402

from .side_by_side import side_by_side  # noqa: E402


@triton.jit
def multiplied(x, matrix, y, K: tl.constexpr, N: tl.constexpr, FIRST: tl.constexpr):
    row, j = tl.arange(0, 4)[:, None], tl.arange(0, 8)[None, :]
    left = gathered(x + row * K, row < 3, FIRST, K, 16)
    right = slab(matrix, j, FIRST, N, 1, K, N, 16)
    tl.store(y + row * N + j, tl.dot(left, right), mask=(row < 3) & (j < N))


@pytest.mark.parametrize("first", [0, 16])
def test_only_what_is_there_is_read(first):
    x, matrix, y = torch.randn(3, 20), torch.randn(20, 5), torch.zeros(3, 5)
    multiplied[(1,)](x, matrix, y, 20, 5, first)
    torch.testing.assert_close(y, x[:, first : first + 16] @ matrix[first : first + 16])


@triton.jit
def passed_on(values, sums, counter):
    p = tl.program_id(0)
    tl.store(values + p, (p + 1).to(tl.float32))
    meet(counter, tl.num_programs(0))
    tl.store(sums + p, tl.sum(tl.load(values + tl.arange(0, 4))))


def test_all_have_written_when_one_goes_on(monkeypatch):
    values, sums, counter = torch.zeros(4), torch.zeros(4), torch.zeros(1, dtype=torch.int32)
    with side_by_side(monkeypatch) as numbers:
        passed_on[(4,)](values, sums, counter)
    assert numbers == [4]
    assert sums.tolist() == [10.0] * 4
