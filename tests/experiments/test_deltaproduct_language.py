"""Language models, in the experiment on DeltaProduct."""

from __future__ import annotations

import pytest
import torch

from ostinato.experiments import deltaproduct_language
from ostinato.experiments.deltaproduct_language import (
    FLAT,
    FLATTER,
    GATED,
    GATED_LESS,
    GATED_RANK,
    RANK,
    TWO,
    SeparateWindows,
    Size,
    measure,
)
from ostinato.experiments.experiment import silent

TINY = Size({1: 2, 2: 1}, width=16, layers=2, steps=6, updates=1, batch=2, rows=3)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 400)
    return str(path)


def test_nets_are_asked_at_eight_times_the_length(text):
    found = measure(TINY, 1, silent, text)
    assert set(found.values) == set(deltaproduct_language.CLAIMS)
    bits, ranks = found.panels
    assert [curve.label for curve in bits.curves] == ["n = 1", "n = 2", "n = 2, gated"]
    assert bits.curves[0].x == [6, 12, 18, 24, 30, 36, 42, 48]
    one, two, _ = (curve.runs[0] for curve in bits.curves)
    rises = [sum(run[4:]) / 4 - run[0] for run in (one, two)]
    assert found.values[FLAT] == [pytest.approx(rises[1])]
    assert found.values[FLATTER] == [pytest.approx(rises[1] - rises[0])]
    one, two, gated = (curve.runs[0][-1] / curve.runs[0][0] for curve in ranks.curves)
    assert found.values[RANK] == [pytest.approx(two - one)]
    assert found.values[GATED_RANK] == [pytest.approx(gated)]
    assert found.values[GATED_LESS] == [pytest.approx(gated - one)]


def test_only_the_gated_model_has_gates(text):
    task = SeparateWindows(text, window=6)
    for kind in (TWO, GATED):
        config = deltaproduct_language._trained(TINY, task, kind, 0, silent).config
        assert (config.num_heads, config.num_householder) == (1, 2)
        assert config.use_forget_gate == kind.gated


def test_windows_follow_one_another_and_none_remembers_the_one_before(text):
    task = SeparateWindows(text, window=6)
    assert not task.continues
    windows = deltaproduct_language._windows(task, TINY)
    assert windows.shape == (3, 49)
    assert windows[0, -1] == windows[1, 0]
    decoded = task.vocabulary.decode(windows[0].numpy())
    assert decoded == task.texts["valid"][:49]


def test_bits_are_those_of_the_second_halves():
    bits = torch.tensor([9.0, 9.0, 1.0, 3.0, 9.0, 9.0, 5.0, 7.0])
    assert deltaproduct_language._in_parts(bits, 2) == [2, 6]
