"""Published models by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.published import has_cells, make_language_model
from ostinato.models.time.delta_product_layer import DeltaProductConfig
from ostinato.models.time.pararnn import ParaRNNConfig


@pytest.mark.parametrize(("name", "cell"), [("FlashRNN", "GRU"), ("ParaRNN", "ParaLSTM")])
def test_a_model_of_its_configuration(name, cell):
    net = make_language_model(name, "reference", symbols=7, width=8, layers=2, heads=2, cell=cell)
    assert type(net).__name__ == name
    assert net.config.cell == cell
    assert [block.recurrence.engine for block in net.layer.layers] == ["reference"] * 2


def test_a_model_with_one_recurrence_has_no_cell():
    assert has_cells("FlashRNN")
    assert not has_cells("DeltaProduct")
    net = make_language_model("DeltaProduct", symbols=7, width=8, layers=1, num_householder=3)
    assert net.config.num_householder == 3


def test_a_size_of_the_paper_with_other_options():
    with torch.device("meta"):
        net = make_language_model("ParaRNN", size="400M", cell="ParaLSTM", symbols=7, layers=1)
        product = make_language_model("DeltaProduct", size="392M", num_householder=3, layers=1)
    config = ParaRNNConfig.published("400M", "ParaLSTM")
    assert net.config == replace(config, symbols=7, layers=1)
    assert product.config.num_heads == DeltaProductConfig.published("392M", 3).num_heads


def test_what_there_is_not():
    with pytest.raises(ArgumentError, match=r"No size is called '400M'. Known: 165M"):
        make_language_model("FlashRNN", size="400M")
    with pytest.raises(ArgumentError, match="1 symbol or more; got symbols=0"):
        make_language_model("ParaRNN", symbols=0)
    with pytest.raises(ArgumentError, match=r"No model is called 'FlashRnn'.*'FlashRNN'"):
        make_language_model("FlashRnn")
    with pytest.raises(ArgumentError, match=r"no option 'head'.*'heads'"):
        make_language_model("FlashRNN", head=2)
    with pytest.raises(ArgumentError, match=r"ParaRNN has no cell 'LSTM'"):
        make_language_model("ParaRNN", cell="LSTM", symbols=3, width=8)
