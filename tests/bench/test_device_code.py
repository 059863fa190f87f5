"""Kernels of cells, and the table of what they need."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton")

from ostinato.bench.device_code import kernel_of, line, main
from ostinato.cells import make_cell
from ostinato.engines.fused.device.ahead import Resources
from ostinato.engines.fused.device.tiles import Tile


def test_the_kernels_have_the_precision_of_the_cell():
    assert kernel_of(make_cell("GRU", 3, 5), 3).dtype is torch.float32
    assert kernel_of(make_cell("GRU", 3, 5).double(), 3).dtype is torch.float64


def test_a_row_of_the_table():
    found = Resources("forward", Tile(16, 0, 8), 170, 4, 1024, 17)
    expected = ("LSTM", "64", "forward", "16", "8", "170", "4", "1024", "17")
    assert line("LSTM", 64, found) == expected


@pytest.mark.parametrize(
    "words", [["--precision", "bf17"], ["--form", "persistant"], ["--hidden", "large"]], ids=str
)
def test_words_that_mean_nothing_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        main(["LSTM", *words])
    assert "invalid" in capsys.readouterr().err
