"""pLSTM as a language model."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.core.errors import ArgumentError
from ostinato.models.generate import generate
from ostinato.models.published import has_cells, make_language_model
from ostinato.models.time.plstm_language import PLSTM, PLSTMBlock, PLSTMConfig
from ostinato.models.tracking import Tracking

SMALL = {"symbols": 11, "width": 8, "layers": 2, "heads": 2, "block": 4}
OPTIONS = {"states": 2, "queries": 2, "transition": "householder", "kernel": 3, "scale": 1.0}


def test_a_block_has_the_paper_s_parts():
    block = PLSTMBlock(PLSTMConfig(**SMALL), dtype=torch.float64)
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    y = x + block.layer(F.rms_norm(x, (8,), block.norm.weight, 1e-5))[0]
    wide, _, narrow = block.mlp
    inside = F.gelu(F.rms_norm(y, (8,), block.mlp_norm.weight, 1e-5) @ wide.weight.T)
    torch.testing.assert_close(block(x)[0], y + inside @ narrow.weight.T)
    assert wide.out_features == 32


@pytest.mark.parametrize("options", [{}, OPTIONS, {"block_diagonal": True, "tied_keys": True}])
def test_steps_equal_the_whole_from_any_state(options):
    net = PLSTM(PLSTMConfig(**SMALL, **options), dtype=torch.float64)
    x = torch.randint(11, (3, 9))
    whole, last = net(x)
    first, state = net(x[:, :4])
    parts = [first]
    for t in range(4, 9):
        logits, state = net.step(x[:, t], state)
        parts.append(logits[:, None])
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(state, last)


def test_options_reach_the_layers():
    config = PLSTMConfig(**SMALL, **OPTIONS, values=3, weights=True, projection=2, tied=True)
    net = PLSTM(config)
    layer = net.layer.layers[1].layer
    assert layer.tracking == Tracking(2, 1, 3, 2, 1)
    assert (layer.transition, layer.block, layer.scale) == ("householder", 4, 1.0)
    assert layer.convolution.kernel == 3
    assert net.head[1].weight is net.encoder.weight
    bare = PLSTM(PLSTMConfig(**SMALL, weights=False))
    assert [name for name, _ in bare.layer.layers[0].layer.gates.named_parameters()] == ["bias"]


def test_it_is_known_by_its_name_and_generates():
    net = make_language_model("PLSTM", **SMALL)
    assert isinstance(net, PLSTM)
    assert not has_cells("PLSTM")
    assert len(list(generate(net, [1, 2], 3))) == 3
    told = ost.explain(net, torch.randint(11, (2, 6))).decisions
    assert [each.layer for each in told] == ["LinePLSTM"] * 2


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match=r"none of size '1B'; give width, layers and heads"):
        make_language_model("PLSTM", size="1B")
    with pytest.raises(ArgumentError, match=r"in no engine; got engine='fused'"):
        PLSTM(PLSTMConfig(**SMALL), "fused")
    with pytest.raises(ArgumentError, match="heads must divide the width 8; got heads=3"):
        PLSTMConfig(**{**SMALL, "heads": 3})
    with pytest.raises(ArgumentError, match="layers must be at least 1; got 0"):
        PLSTMConfig(**{**SMALL, "layers": 0})
