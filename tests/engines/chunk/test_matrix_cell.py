from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell


class Sum(MatrixCell):
    """S_t = S_{t−1} + x xᵀ, y = Sᵀ x + x."""

    heads, key_size, value_size, input_size = 1, 3, 3, 3

    def __init__(self):
        super().__init__()
        self.register_buffer("one", torch.ones(1))

    def factors(self, x):
        row = self.one * x[:, None]
        return Factors(row, row[:, None], row[:, None], skip=row)


def test_a_cell_of_ones_own():
    x = torch.randn(2, 9, 3)
    y, state = ost.RNN(Sum(), "chunk")(x)
    sums = torch.einsum("btk,btv->btkv", x, x).cumsum(1)
    torch.testing.assert_close(state[:, 0], sums[:, -1])
    torch.testing.assert_close(y, torch.einsum("btk,btkv->btv", x, sums) + x)
    assert not ost.check_cell(Sum(), engines_to_check=["chunk"]).failures


def test_all_steps_are_part_of_a_compiled_graph_but_no_layer_on_the_engine():
    cell, x = Sum(), torch.randn(2, 9, 3)
    compiled = torch.compile(cell.all_steps, fullgraph=True, backend="eager")
    torch.testing.assert_close(
        compiled(x, None, cell.initial_state(2))[0], ost.RNN(cell, "chunk")(x)[0]
    )
    layer = torch.compile(ost.RNN(cell, "chunk"), fullgraph=True, backend="eager")
    with pytest.raises(Exception, match=r"only ost\.matrix_scan, or all_steps of the cell"):
        layer(x)


def test_a_cell_has_to_say_what_it_does():
    class Nothing(MatrixCell):
        pass

    with pytest.raises(NotImplementedError, match="Nothing defines no factors"):
        Nothing().factors(torch.zeros(1, 3))
