from __future__ import annotations

import pytest
import torch

from ostinato.experiments.rnn_survey_translation import (
    END,
    KINDS,
    Size,
    _accuracy,
    _curve,
    _reached,
    _Run,
    _search,
    draw,
    net,
)


def test_targets_are_the_sources_and_end():
    source, target = draw(0, "train", 3, 5, 4)
    assert torch.equal(target[:, :4], source)
    assert target[:, 4].tolist() == [END] * 5
    assert int(source.min()) > END
    assert torch.equal(source, draw(0, "train", 3, 5, 4)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_writes(kind):
    found = _search(net(kind, 8), draw(0, "valid", 0, 3, 2)[0], 2)
    assert found.symbols.shape == (3, 2, 4)
    assert 0 <= _accuracy(net(kind, 8), 0, Size(1, length=2)) <= 100


def test_updates_are_counted_to_the_first_with_enough():
    size = Size(100, every=25, enough=50)
    assert _reached([0, 10, 60], size) == 75
    assert _reached([0, 10, 20, 30], size) == 125


def test_seeds_that_end_early_stay_where_they_are_in_the_picture():
    curve = _curve("forwards", [_Run([10, 60], 0.0), _Run([5, 20, 70], 0.0)], 62.5, Size(100))
    assert curve.x == [25, 50, 75]
    assert curve.runs == [[10, 60, 60], [5, 20, 70]]
