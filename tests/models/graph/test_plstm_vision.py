"""pLSTM-Vis."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.graph.plstm_gates import GateOptions
from ostinato.models.graph.plstm_vision import PLSTMVision, PLSTMVisionConfig
from ostinato.models.tracking import Tracking


@pytest.mark.parametrize(("size", "millions"), [("T", 6), ("S", 23), ("B", 89)])
def test_published_sizes_have_about_as_many_parameters(size, millions):
    model = PLSTMVision(PLSTMVisionConfig.published(size), device="meta")
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert count == pytest.approx(millions, rel=0.08)
    assert len(model.blocks) == 12
    with pytest.raises(ArgumentError, match="No size is called 'X'"):
        PLSTMVisionConfig.published("X")


def test_modes_alternate_and_images_of_other_sizes_are_taken():
    model = PLSTMVision(
        PLSTMVisionConfig(channels=1, classes=3, image=(8, 8), patch=2, width=12, modes="PD")
    )
    assert [block.mixer.gates.mode for block in model.blocks] == ["P", "D"]
    assert model(torch.randn(2, 8, 8, 1)).shape == (2, 3)
    logits = model(torch.randn(1, 16, 12, 1))
    logits.sum().backward()
    assert logits.shape == (1, 3)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_layers_read_the_options_of_their_mode():
    gates = GateOptions(chirality="R", code_compat=True)
    shape = {"image": (4, 4), "patch": 2, "width": 12, "gates": gates}
    first, second = PLSTMVision(PLSTMVisionConfig(modes="PD", **shape)).blocks
    assert first.mixer.gates.options == GateOptions(code_compat=True)
    assert second.mixer.gates.options == GateOptions(chirality="R")
    with pytest.raises(ArgumentError, match="Mode P reads no chirality"):
        PLSTMVision(PLSTMVisionConfig(modes="PP", **shape))


def test_heads_can_track_states():
    j = Tracking(states=2, queries=2)
    shape = {"channels": 1, "classes": 3, "image": (4, 4), "patch": 2, "width": 12, "modes": "PD"}
    options = {"tracking": j, "transition": "qr", "scale": 1.0}
    model = PLSTMVision(PLSTMVisionConfig(**shape, **options))
    for block in model.blocks:
        mixer = block.mixer
        assert (mixer.tracking, mixer.gates.transition, mixer.scale) == (j, "qr", 1.0)
    assert model(torch.randn(2, 6, 4, 1)).shape == (2, 3)
    with pytest.raises(ArgumentError, match="No transition is called 'QR'"):
        PLSTMVisionConfig(**shape, transition="QR")
    with pytest.raises(ArgumentError, match="where they are as many; got 2 and 1"):
        PLSTMVisionConfig(**shape, tied=True, tracking=j)


def test_shapes_that_do_not_fit_are_refused():
    for options, message in (
        ({"image": (9, 8), "patch": 2}, r"both sides of an image; got image=\(9, 8\) and patch=2"),
        ({"heads": 5}, "heads must divide the width 192"),
        ({"modes": "PX"}, "No mode is called 'X'"),
    ):
        with pytest.raises(ArgumentError, match=message):
            PLSTMVisionConfig(**options)
