"""States that go from block to block."""

from __future__ import annotations

import pytest
import torch

from ostinato.over.wavefront import Wavefront

from .loops import constant_gates, draw, random_gates


@pytest.mark.parametrize("sizes", [(3, 5), (4, 2), (1, 4), (3, 1)])
def test_every_block_gets_what_its_neighbours_send(sizes):
    columns, rows = sizes
    gates = random_gates(columns, rows, 2)
    right, down = draw(columns, rows, 2, 3), draw(columns, rows, 2, 3)
    left, up = draw(rows, 2, 3), draw(columns, 2, 3)
    entered_l, entered_u, leaving_r, leaving_d = Wavefront(gates, right, down).run(left, up)
    for x in range(columns):
        for y in range(rows):
            a, b = entered_l[:, x, y], entered_u[:, x, y]
            r = gates.t_rl[:, x, y] @ a + gates.t_ru[:, x, y] @ b + right[:, x, y]
            d = gates.t_dl[:, x, y] @ a + gates.t_du[:, x, y] @ b + down[:, x, y]
            over = leaving_r[:, y] if x == columns - 1 else entered_l[:, x + 1, y]
            under = leaving_d[:, x] if y == rows - 1 else entered_u[:, x, y + 1]
            torch.testing.assert_close(r, over)
            torch.testing.assert_close(d, under)
    torch.testing.assert_close(entered_l[:, 0], left)
    torch.testing.assert_close(entered_u[:, :, 0], up)


def test_without_turns_rows_and_columns_do_not_meet():
    gates = constant_gates(3, 2, 1, 0, 0, 1)
    none = torch.zeros(3, 2, 1, 4, dtype=torch.float64)
    left = torch.arange(8.0, dtype=torch.float64).view(2, 1, 4)
    up = torch.zeros(3, 1, 4, dtype=torch.float64)
    _, entered, leaving, down = Wavefront(gates, none, none).run(left, up)
    assert leaving.equal(left)
    assert not entered.any()
    assert not down.any()
