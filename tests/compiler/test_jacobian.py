from __future__ import annotations

import torch
from torch import nn

from ostinato.compiler.fission import split
from ostinato.compiler.jacobian import Probe
from ostinato.compiler.trace import trace


def probe(step, *carry):
    return Probe(split(trace(step, carry, torch.zeros(2, carry[0].shape[1]))))


def test_the_rows_of_a_linear_map_are_its_matrix():
    recur = nn.Linear(5, 5, bias=False)

    def step(carry, x):
        return (torch.nn.functional.linear(carry[0], recur.weight) + x, carry[1]), x

    found = probe(step, torch.zeros(2, 5), torch.zeros(2, 5))
    (here, alone, moved), (other, *_) = found.points()[0]
    assert here.dtype == torch.float64
    # Constants are shaken, so it is nearly, not exactly, the weight.
    difference = here - recur.weight.double()[found.places[0]]
    assert 0 < difference.abs().max() < 0.6
    assert torch.equal(here, alone)
    assert torch.equal(here, moved)
    assert not other.any()
    assert torch.equal(found.points()[1][1][0], torch.eye(5).double()[found.places[1]])


def test_only_the_leaf_in_question_moves():
    def step(carry, x):
        a, b = carry
        return (a * b, b * b), x

    (row, last) = probe(step, torch.zeros(2, 5), torch.zeros(2, 5)).points()
    here, alone, moved = row[0]
    assert torch.equal(here, alone)
    assert not torch.allclose(here, moved)
    assert not torch.allclose(*last[1][:2])


def test_large_jacobians_are_sampled():
    found = probe(lambda carry, x: (carry, x), torch.zeros(2, 5000))
    assert found.rows < 100
    assert found.places[0].unique().numel() == found.rows


def test_rows_that_mix_are_noticed():
    assert probe(lambda carry, x: ((carry[0].sum(0) + x,), x), torch.zeros(2, 3)).rows_mix()
    assert not probe(lambda carry, x: ((carry[0] + x,), x), torch.zeros(2, 3)).rows_mix()


def test_precision_that_the_step_asks_for_is_raised():
    def step(carry, x):
        return (carry[0] + torch.zeros_like(x, dtype=torch.float32).float(), x), x

    assert probe(step, torch.zeros(2, 3), torch.zeros(2, 3)).points()[0][0][0].dtype == torch.double
