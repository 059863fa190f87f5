"""What the experiment on LSSL measures without training."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.experiments.lssl_views import difference, memory_errors, repeat_errors


@pytest.mark.parametrize("learn", ["fixed", "shared"])
def test_the_views_agree(learn):
    assert 0 < difference(60, learn) < 1e-10


def test_more_states_remember_better():
    errors = memory_errors(window=400)
    assert errors[0] > 10 * errors[2]
    assert errors[3] < 0.02


def test_halving_the_step_is_of_second_order():
    coarse, fine = repeat_errors((0.05, 0.025))
    assert math.log2(coarse / fine) == pytest.approx(2, abs=0.05)
    assert torch.is_grad_enabled()
