from __future__ import annotations

import torch

from ostinato.engines.parallel.memory import Place, Rows, place


def test_where_units_lie():
    x = torch.empty(7, 3, 5, 2, 2)
    assert place(x, 2) is Place.PACKED
    assert place(x.mT, 2) is Place.TRANSPOSED
    assert place(x.permute(0, 1, 3, 4, 2), 0) is None
    assert place(x[:, :, :1].expand_as(x), 2) is Place.SAME
    assert place(torch.empty(2, 2, 7, 3, 5).permute(2, 3, 4, 0, 1), 2) is Place.PLANES
    assert place(x[..., 0], 1) is None
    assert place(x[..., 0, :], 1) is None
    assert place(torch.empty(7, 3, 5), 0) is Place.PLANES
    assert place(torch.empty(7, 3, 5, 2), 1) is Place.PACKED
    assert place(torch.empty(7, 3, 10)[..., ::2], 0) is None


def test_axes_without_gaps_are_one():
    strides = [torch.empty(9, 3, 4, 5).stride()[1:], (0, 0, 0)]
    rows = Rows((3, 4, 5), strides, masked=False)
    assert (rows.units, rows.count, rows.unit_strides) == (60, 1, [1, 0])
    rows = Rows((3, 4, 5), [*strides, (1, 0, 0)], masked=True)
    assert (rows.units, rows.count) == (20, 3)
    assert [offsets.tolist() for offsets in rows.offsets] == [[0, 20, 40], [0, 0, 0], [0, 1, 2]]


def test_a_mask_keeps_the_batch_apart():
    rows = Rows((3,), [(1,), (1,)], masked=True)
    assert (rows.units, rows.count) == (1, 3)
    rows = Rows((3,), [(1,), (1,)], masked=False)
    assert (rows.units, rows.count) == (3, 1)
    assert Rows((), [(), ()], masked=False).count == 1
