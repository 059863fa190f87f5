from __future__ import annotations

import pytest

from ostinato import cells
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError


def test_every_file_with_a_cell_is_known():
    assert {"Elman", "GRU", "LSTM", "LayerNormLSTM", "MinimalGated", "ParaGRU", "ParaLSTM"} <= set(
        cells.cell_names()
    )
    for name, value in cells.cell_classes().items():
        assert issubclass(value, Cell)
        assert getattr(cells, name + "Cell") is value
        assert value.__doc__
        assert value(3, 4).input_size == 3


def test_make_cell():
    assert cells.make_cell("lstm", 3, 4, peepholes=True).peepholes is not None
    with pytest.raises(ArgumentError, match=r"No cell is called 'LTSM'\. Did you mean 'LSTM'"):
        cells.make_cell("LTSM", 3, 4)
    with pytest.raises(ArgumentError, match=r"no option 'peephole'.*Did you mean 'peepholes'"):
        cells.make_cell("LSTM", 3, 4, peephole=True)
    with pytest.raises(AttributeError, match="LSTNCell"):
        _ = cells.LSTNCell
