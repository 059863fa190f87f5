from __future__ import annotations

import pytest
import torch

from ostinato.engines.chunk.arrangement import Arrangement
from ostinato.engines.chunk.steps import Steps


def made(count):
    """Two updates a step, numbered; k is erased."""
    q = torch.arange(1.0, count + 1)[None, :, None, None]
    k = torch.arange(1.0, 2 * count + 1)[None, :, None, None]
    return Steps(q, k, k + 100, None, k, k[..., 0])


def test_time_is_turned_round_but_not_the_updates_of_a_step():
    steps = Arrangement(reverse=True).arranged(made(3))
    assert steps.q.flatten().tolist() == [3, 2, 1]
    assert steps.k.flatten().tolist() == [5, 6, 3, 4, 1, 2]
    assert steps.erase is steps.k


def test_before_a_step_is_after_an_empty_one():
    steps = Arrangement(exclusive=True).arranged(made(3))
    assert steps.q.flatten().tolist() == [1, 2, 3, 0]
    assert steps.beta.flatten().tolist() == [0, 0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("borders", [None, torch.tensor([0, 1, 1, 4])])
def test_outputs_come_back_as_the_steps_were_given(borders, reverse, exclusive):
    arrangement, given = Arrangement(borders, reverse, exclusive), made(4)
    steps = arrangement.arranged(given)
    # The query of an exclusive read has moved one step back, its updates have not.
    assert arrangement.outputs(steps.q).equal(given.q)
    assert arrangement.states(steps.k[:, ::2]).equal(given.k[:, ::2])


def test_no_steps_stay_none():
    arrangement = Arrangement(None, True, True)
    assert arrangement.outputs(arrangement.arranged(made(0)).q).shape == (1, 0, 1, 1)
