from __future__ import annotations

import torch

from ostinato.analysis.wiring_diagram import wiring_diagram
from ostinato.cells.wiring import Wiring, auto_ncp


def test_synapses_are_counted_by_the_groups_they_join():
    synapses = torch.tensor([[0, 1, -1], [0, 0, 1], [0, 0, 0]])
    sensory = torch.tensor([[0, 0], [0, 0], [1, -1]])
    found = wiring_diagram(Wiring(synapses, sensory, {"motor": 1, "command": 1, "inter": 1}))
    assert found.table().rows == [
        ["inputs", "inter", 1, 1, 1.0],
        ["inter", "motor", 0, 1, 1.0],
        ["inter", "command", 1, 0, 1.0],
        ["command", "motor", 1, 0, 1.0],
    ]


def test_the_picture_has_a_line_for_every_synapse():
    wiring = auto_ncp(4, 12, 2)
    (axes,) = wiring_diagram(wiring).plot().axes
    assert len(axes.lines) == int((wiring.synapses != 0).sum() + (wiring.sensory != 0).sum())
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["inputs", "inter", "command", "motor"]
