"""The experiment on LSSL."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ostinato.experiments import lssl
from ostinato.experiments.experiment import silent
from ostinato.experiments.lssl import EXPERIMENT, Listening, Scale, SlowProcesses

pytest.importorskip("mlxtend")

SPOKEN = Path(__file__).parents[3] / "shared/data/fsdd"


@pytest.fixture(scope="module")
def measured():
    updates = {"recall_updates": 4, "image_updates": 1, "processes": Listening(1, 8, 1e-3)}
    tiny = Scale(view_steps=50, audio_steps=256, width=2, **updates)
    return lssl.measure(tiny, 1, silent)


def test_every_claim_is_measured_once_per_seed(measured):
    assert set(measured.values) == set(EXPERIMENT.claims)
    assert all(len(values) == 1 for values in measured.values.values())


def test_what_needs_no_training_holds_already(measured):
    for claim in (lssl.VIEWS, lssl.MEMORY, lssl.ORDER):
        assert claim.row(measured.values[claim]).holds


def test_losses_begin_at_guessing(measured):
    losses, held, memory, repeats = measured.panels
    assert [curve.label for curve in losses.curves] == list(lssl._NETS)
    assert losses.curves[0].runs[0][0] == pytest.approx(math.log(16), abs=1)
    assert [curve.label for curve in held.curves] == ["LegS", "random A"]
    assert len(memory.curves[0].runs[0]) == len(repeats.curves[0].runs[0]) == 4


def test_slow_processes_are_heard_four_times_as_finely():
    fast = lssl.WhichProcessTask(64, seed=3).batch(0, 5)
    slow = SlowProcesses(64, seed=3).batch(0, 5)
    assert slow.inputs.shape == (5, 256, 1)
    assert torch.equal(slow.targets, fast.targets)
    # The middle of four fine steps lies on a coarse one.
    middle = (slow.inputs[:, 1::4] + slow.inputs[:, 2::4]) / 2
    torch.testing.assert_close(middle[:, 1:-1], _around(fast.inputs)[:, 1:-1], atol=1e-5, rtol=0)


def _around(x):
    """What linear interpolation gives an eighth of a step to both sides, on average."""
    before, after = x.roll(1, 1), x.roll(-1, 1)
    return 0.875 * x + 0.0625 * (before + after)


def test_data_are_taken_by_name(monkeypatch):
    asked = []
    monkeypatch.setattr(
        lssl, "SpokenDigitsTask", lambda path, **options: asked.append((path, options["level"]))
    )
    monkeypatch.setattr(lssl, "MnistTask", lambda path, order, **_: asked.append((path, order)))
    for part in ("_views", "_recall"):
        monkeypatch.setattr(lssl, part, lambda *_: ({}, {}))
    for part in ("_images", "_signal", "_panels"):
        monkeypatch.setattr(lssl, part, lambda *_: {})
    lssl.measure(replace(Scale(), data={"audio": "fsdd", "images": "mnist"}), 1, silent)
    assert asked == [("fsdd", "equal"), ("mnist", "pixels"), ("mnist", "permuted")]


@pytest.mark.slow
@pytest.mark.skipif(not SPOKEN.exists(), reason="needs shared/data")
def test_spoken_digits_are_told_apart_by_raw_audio():
    scale = replace(Scale(), data={"audio": str(SPOKEN), "images": None})
    found = lssl._signal(scale, lssl._audio(scale, 0), 0, silent)
    assert found[lssl.AUDIO] >= 30


@pytest.mark.slow
def test_the_small_scale():
    assert EXPERIMENT.run("small", 1).reproduced
