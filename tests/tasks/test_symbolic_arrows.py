"""Arrow pointing on a small grid."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.symbolic_arrows import SymbolicArrowsTask


def test_batches_are_a_function_of_the_step():
    task = SymbolicArrowsTask(8, seed=3)
    a, b = task.batch(5, 6), SymbolicArrowsTask(8, seed=3).batch(5, 6)
    assert a.inputs.equal(b.inputs)
    assert a.targets.equal(b.targets)
    assert not a.inputs.equal(task.batch(6, 6).inputs)
    assert a.inputs.shape == (6, 8, 8, 4)


@pytest.mark.parametrize("side", [16, 24])
def test_what_the_channels_hold_answers_the_question(side):
    """Arrow, angle and disc are read off the picture, and the label follows."""
    batch = SymbolicArrowsTask(side, 0).batch(0, 400)
    blob, cos, sin, field = batch.inputs.unbind(-1)
    axis = torch.arange(float(side))

    def centre(weights):
        total = weights.sum((1, 2))
        return torch.stack([(weights.sum(3 - d) * axis).sum(1) / total for d in (1, 2)], -1)

    # near the border the blob is cut off and its centre is another
    arrow, disc = centre(blob), centre(field.clamp_min(0.5) - 0.5)
    inside = ((arrow > 2) & (arrow < side - 3) & (disc > 2) & (disc < side - 3)).all(-1)
    angle = torch.atan2(sin.sum((1, 2)), cos.sum((1, 2)))
    away = disc - arrow
    turn = (torch.atan2(away[:, 1], away[:, 0]) - angle + math.pi) % (2 * math.pi) - math.pi
    found = turn.abs() < torch.asin((0.9 / away.norm(dim=-1)).clamp(max=1))
    right = (found.long() == batch.targets)[inside].float().mean()
    assert inside.sum() > 20
    assert right > 0.95


def test_it_is_balanced_and_describes_itself():
    task = SymbolicArrowsTask(5, held_out_sequences=600)
    labels = torch.cat([batch.targets for batch in task.held_out("valid", 100)])
    assert len(labels) == 600
    assert 0.45 < labels.float().mean() < 0.55
    assert task.describe()["guessing"] == {"accuracy": 0.5}
    with pytest.raises(ArgumentError, match="side must be at least 4"):
        SymbolicArrowsTask(3)
