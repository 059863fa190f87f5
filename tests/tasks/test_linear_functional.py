"""Linear functionals of known memory."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.linear_functional import LinearFunctionalTask, causal_convolution

F64 = torch.float64


def test_frequencies_give_the_direct_sum():
    density, x = torch.randn(30, dtype=F64), torch.randn(4, 30, dtype=F64)
    direct = [sum(density[s] * x[:, t - s] for s in range(t + 1)) for t in range(30)]
    torch.testing.assert_close(causal_convolution(density, x), torch.stack(direct, 1))


@pytest.mark.parametrize(
    ("memory", "at", "value"),
    [
        ("exponential", 3, math.exp(-3)),
        ("polynomial", 10, 2**-1.1),
        ("shift", 10, 1.0),
        ("two_parts", 9, 1 + math.exp(-9)),
        ("airy", 6, 0.355028053887817),
    ],
)
def test_the_answer_to_an_impulse_is_the_memory(memory, at, value):
    task = LinearFunctionalTask(memory, steps=20)
    impulse = torch.zeros(1, 20, dtype=F64)
    impulse[0, 0] = 1
    assert float(causal_convolution(task.density, impulse)[0, at]) == pytest.approx(value)


def test_batches_are_inputs_and_their_weighted_past():
    task = LinearFunctionalTask("shift", steps=25, seed=3)
    batch = task.batch(7, 4)
    assert batch.inputs.shape == batch.targets.shape == (4, 25, 1)
    torch.testing.assert_close(batch.targets[:, 10:], batch.inputs[:, :-10], atol=1e-5, rtol=0)
    assert torch.equal(task.batch(7, 4).inputs, batch.inputs)


def test_later_steps_count_for_more():
    task = LinearFunctionalTask(steps=9, power=1.5)
    weights = task.batch(0, 2).weights
    torch.testing.assert_close(weights[0], (torch.arange(1, 10) / 10) ** 3)
    early, late = torch.zeros(2, 9, 1), torch.zeros(2, 9, 1)
    early[:, 0], late[:, -1] = 1, 1
    batch = task.batch(0, 2)
    batch = type(batch)(batch.inputs, torch.zeros(2, 9, 1), weights=weights)
    assert float(task.loss(late, batch) / task.loss(early, batch)) == pytest.approx(9**3)


def test_what_zero_scores_is_measured():
    task = LinearFunctionalTask(held_out_sequences=5000)
    sums = [task.score(torch.zeros_like(b.targets), b) for b in task.held_out("valid", 1000)]
    measured = sum(s for s, _ in sums) / sum(c for _, c in sums)
    assert measured == pytest.approx(task.describe()["zero"][task.metric], rel=0.05)


def test_an_unknown_memory_is_refused():
    with pytest.raises(ArgumentError, match="polynomial"):
        LinearFunctionalTask("polynomal")
