"""Steps of sequences in both directions, and states that change places."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused.device.frame import Frame
from ostinato.engines.fused.device.port import Port


def frame(rows, size, time):
    steps = torch.arange(8.0 * rows * size).view(8, rows, size)
    first = steps[-1] if time < 0 else steps
    return Frame(rows, {"x": (Port(first, time * rows * size, size), size)}, (), {}), steps


@pytest.mark.parametrize("time", [1, -1])
def test_a_span_is_in_the_order_of_memory(time):
    found, steps = frame(2, 3, time)
    expected = steps[2:5] if time > 0 else steps[3:6]
    assert found.span("x", 2, 3).equal(expected)
    assert found.downwards == (time < 0)
    assert found.at(2)["x"].equal(steps[2] if time > 0 else steps[5])


def test_states_change_places():
    pair = torch.zeros(2, 3), torch.ones(2, 3)
    found = Frame(2, {}, (pair,), {})
    for step in range(3):
        tensors = found.at(step)
        assert tensors["state_0"] is pair[step % 2]
        assert tensors["next_0"] is pair[1 - step % 2]
