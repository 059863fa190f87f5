from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.variable_binding import VariableBindingTask, boundary


def choices(weights):
    places = weights.abs().argmax(1)
    return places.tolist(), weights.gather(1, places[:, None])[:, 0].tolist()


def test_the_published_bindings():
    places, signs = choices(boundary("compose", 8, 8))
    assert places == [0, 9, 18, 27, 36, 45, 54, 63]
    assert signs == [1] * 8
    assert torch.equal(boundary("compose", 8, 8), boundary((9241421688590303745, 0, 0), 8, 8))
    assert torch.equal(boundary("repeat", 8, 8), boundary((255, 0, 0), 8, 8))
    assert choices(boundary("repeat", 8, 8))[0] == [*range(8)]


def test_choices_are_exchanged_and_turned():
    places, signs = choices(boundary((0b100010001, 5, 5), 3, 4))
    assert places == [8, 0, 4]
    assert signs == [-1, 1, -1]


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ("repeat", lambda u, t: u[:, t - 3]),
        ("compose", lambda u, t: u[:, t - 3 : t].diagonal(0, 1, 2)),
    ],
)
def test_the_series_continues_by_its_rule(binding, expected):
    task = VariableBindingTask(3, 3, binding, horizon=9)
    batch = task.batch(0, 5)
    assert batch.inputs.shape == batch.targets.shape == (5, 12, 3)
    assert torch.equal(batch.inputs[:, :3], batch.targets[:, :3])
    assert batch.inputs[:, 3:].eq(0).all()
    assert batch.inputs[:, :3].abs().eq(1).all()
    for t in range(3, 12):
        assert torch.equal(batch.targets[:, t], expected(batch.targets, t))


def test_the_first_vectors_do_not_count():
    task = VariableBindingTask(2, 4, horizon=6)
    batch = task.batch(0, 3)
    outputs = batch.targets.clone()
    outputs[:, :4] = 100
    assert task.loss(outputs, batch) == 0
    assert task.score(outputs, batch) == (36, 36)
    assert float(task.loss(torch.zeros_like(outputs), batch)) == 0.5
    assert task.score(-outputs, batch) == (0, 36)


def test_numbers_that_are_no_binding_are_named():
    with pytest.raises(ArgumentError, match="has 2 bits set, all below bit 6; got 0b111"):
        boundary((7, 0, 0), 2, 3)
    with pytest.raises(ArgumentError, match="below bit 6"):
        boundary((0b1000001, 0, 0), 2, 3)
    with pytest.raises(ArgumentError, match="below bit 6"):
        boundary("compose", 3, 2)
    with pytest.raises(ArgumentError, match=r"Digit 1 .* must be below 2"):
        boundary((7, 0b110, 0), 3, 3)
    with pytest.raises(ArgumentError, match="Did you mean 'repeat'"):
        VariableBindingTask(binding="repet")
