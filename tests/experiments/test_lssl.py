"""The experiment on LSSL."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.core.errors import DataError
from ostinato.experiments import lssl
from ostinato.experiments.experiment import joined, silent
from ostinato.experiments.lssl import EXPERIMENT, Listening, Scale, SlowProcesses

from .completeness import check_complete

SPOKEN = Path(__file__).parents[3] / "shared/data/fsdd"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    updates = {"recall_updates": 4, "image_updates": 1, "processes": Listening(1, 8, 1e-3)}
    images = few_images(tmp_path_factory.mktemp("images"))
    tiny = Scale(view_steps=50, audio_steps=256, width=2, **updates, data=named(images=images))
    return joined(part(tiny, 1, silent) for part in EXPERIMENT.measure.values())


def named(**paths):
    return {"audio": None, "images": None, **paths}


def few_images(folder):
    """Files as MNIST has them, of 120 and 100 images."""
    random = np.random.default_rng(0)
    for part, count in (("train", 120), ("t10k", 100)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        for kind, data in (("images", images), ("labels", np.arange(count, dtype=np.uint8) % 10)):
            head = bytes([0, 0, 8, data.ndim]) + np.array(data.shape, ">u4").tobytes()
            (folder / f"{part}-{kind}-idx{data.ndim}-ubyte").write_bytes(head + data.tobytes())
    return str(folder)


def test_every_claim_is_measured_once_per_seed(measured):
    check_complete(measured, EXPERIMENT)


def test_what_needs_no_training_holds_already(measured):
    for claim in (lssl.VIEWS, lssl.MEMORY, lssl.ORDER):
        assert claim.row(measured.values[claim]).holds


def test_losses_begin_at_guessing(measured):
    memory, repeats, losses, held = measured.panels
    assert [curve.label for curve in losses.curves] == list(lssl._NETS)
    assert losses.curves[0].runs[0][0] == pytest.approx(math.log(16), abs=1)
    assert [curve.label for curve in held.curves] == ["LegS", "random A"]
    assert len(memory.curves[0].runs[0]) == len(repeats.curves[0].runs[0]) == 4


def test_a_part_alone_compares_its_own_claims(monkeypatch):
    monkeypatch.setitem(EXPERIMENT.scales, "small", Scale(view_steps=50))
    found = EXPERIMENT.run(seeds=2, part="views")
    assert [row.claim for row in found.rows] == [
        claim.text for claim in (lssl.VIEWS, lssl.MEMORY, lssl.ORDER)
    ]
    assert all(len(curve.runs) == 2 for panel in found.panels for curve in panel.curves)


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
    monkeypatch.setattr(
        lssl, "MnistTask", lambda path, order="rows", **_: asked.append((path, order))
    )
    for name in ("_net", "fit"):
        monkeypatch.setattr(lssl, name, lambda *_, **__: None)
    monkeypatch.setattr(lssl, "accuracy", lambda *_: 0)
    scale = replace(Scale(), data={"audio": "fsdd", "images": "mnist"})
    assert asked == [("fsdd", "equal"), ("mnist", "rows")]
    EXPERIMENT.measure["images"](scale, 1, silent)
    assert asked[2:] == [("mnist", order) for order in ("pixels", "permuted", "permuted")]


@pytest.mark.parametrize("name", ["audio", "images"])
def test_data_that_cannot_be_read_are_told_at_once(name, tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        EXPERIMENT.run(seeds=1, data={name: str(tmp_path)}, track=lambda *_: pytest.fail("begun"))


@pytest.mark.slow
@pytest.mark.skipif(not SPOKEN.exists(), reason="needs shared/data")
def test_spoken_digits_are_told_apart_by_raw_audio():
    scale = Scale(data=named(audio=str(SPOKEN)))
    found, _ = lssl._signal(scale, 0, silent)
    assert found[lssl.AUDIO] >= 30


@pytest.mark.slow
def test_the_small_scale():
    assert EXPERIMENT.run("small", 1).reproduced
