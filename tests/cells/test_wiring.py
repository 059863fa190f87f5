from __future__ import annotations

import pytest
import torch

from ostinato.cells.wiring import auto_ncp, fully_connected, ncp, random_wiring
from ostinato.core.errors import ArgumentError


def test_groups_of_a_policy():
    wiring = auto_ncp(5, 20, 3, 0.6)
    assert dict(wiring.groups) == {"motor": 3, "command": 6, "inter": 11}
    assert wiring.outputs == 3
    assert (wiring.units, wiring.inputs) == (20, 5)
    assert wiring.span("command") == slice(3, 9)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.9])
def test_groups_are_joined_in_their_order_only_and_nobody_is_left_out(sparsity):
    wiring = auto_ncp(5, 20, 3, sparsity)
    motor, command, inter = (wiring.span(name) for name in wiring.groups)
    synapses, sensory = wiring.synapses, wiring.sensory
    assert not sensory[motor].any()
    assert not sensory[command].any()
    for rows, columns in ((motor, motor), (motor, inter), (command, motor), (inter, command)):
        assert not synapses[rows, columns].any()
    assert sensory[inter].any(1).all()
    assert sensory.any(0).all()
    assert synapses[command, inter].any(1).all()
    assert synapses[motor, command].any(0).all()
    assert synapses[command, command].any()
    assert set(synapses.unique().tolist()) == {-1, 0, 1}


def test_fans():
    groups = {"motor": 2, "command": 4, "inter": 6}
    fans = {"sensory_fanout": 3, "inter_fanout": 2, "recurrent_synapses": 3, "motor_fanin": 4}
    wiring = ncp(8, groups, **fans)
    motor, command, inter = (wiring.span(name) for name in groups)
    # With so many sources nobody had to be repaired.
    assert (wiring.sensory[inter] != 0).sum(0).tolist() == [3] * 8
    assert (wiring.synapses[command, inter] != 0).sum(0).tolist() == [2] * 6
    assert (wiring.synapses[motor, command] != 0).sum(1).tolist() == [4, 4]
    assert 1 <= int((wiring.synapses[command, command] != 0).sum()) <= 3


def test_a_random_wiring_has_as_many_synapses_as_asked_for():
    wiring = random_wiring(7, 10, 0.75)
    assert int((wiring.synapses != 0).sum()) == 25
    assert int((wiring.sensory != 0).sum()) == round(0.25 * 70)


def test_seeds():
    assert torch.equal(auto_ncp(3, 9, 2).synapses, auto_ncp(3, 9, 2).synapses)
    assert not torch.equal(auto_ncp(3, 9, 2).synapses, auto_ncp(3, 9, 2, seed=1).synapses)
    share = float((fully_connected(50, 50).synapses == 1).double().mean())
    assert share == pytest.approx(2 / 3, abs=0.05)


def test_what_cannot_be():
    with pytest.raises(ArgumentError, match=r"sparsity from 0\.1 to 0\.9"):
        auto_ncp(3, 10, 2, 0.95)
    with pytest.raises(ArgumentError, match="two units more than outputs"):
        auto_ncp(3, 3, 2)
    with pytest.raises(ArgumentError, match="sparsity must lie in"):
        random_wiring(3, 4, 1.0)
    with pytest.raises(ArgumentError, match="fans from 1"):
        ncp(
            3,
            {"motor": 1, "command": 2, "inter": 3},
            sensory_fanout=4,
            inter_fanout=1,
            recurrent_synapses=1,
            motor_fanin=1,
        )
