from __future__ import annotations

import torch

from ostinato.engines.chunk.operands import Operands, chunked, cut, joined


def test_what_the_last_chunk_lacks_is_zero():
    x = torch.randn(2, 7, 3)
    parts = cut(x, 4)
    assert parts.shape == (2, 2, 4, 3)
    assert (parts[:, 1, 3] == 0).all()
    assert joined(parts, 7).equal(x)


def test_sums_of_gates_begin_anew_in_every_chunk():
    g = torch.full((1, 6, 1), -1.0)
    g[0, 5] = -torch.inf
    x = torch.zeros(1, 6, 2)
    gamma = chunked(Operands(x, x, x, g, None), 4).gamma[0, ..., 0]
    assert gamma.tolist() == [[-1, -2, -3, -4], [-1, -801, -801, -801]]


def test_updates_of_a_step_stay_in_its_chunk():
    rows = torch.arange(10.0).view(1, 10, 1)
    found = chunked(Operands(rows[:, :5], rows, rows, None, rows), 4)
    assert found.updates == 2
    assert found.k[0, :, :, 0].tolist() == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 0, 0, 0, 0, 0, 0]]
