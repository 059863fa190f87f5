"""The stack of GRUs of the experiment on DEER."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ostinato.experiments.deer_stack import Size, real_task, train

SPEECH = Path(__file__).parents[3] / "shared/data/fsdd"
SIZE = Size(updates=3, rows=4, long_updates=1, long_rows=2, width=3, depth=2)

pytest.importorskip("mlxtend")


def test_every_way_trains_alike():
    stepwise, losses, none = train(SIZE, 0, "reference")
    assert not none
    for method in ("full", "quasi"):
        model, found, solves = train(SIZE, 0, "parallel", method)
        assert found == pytest.approx(losses, abs=1e-4)
        assert len(solves) == SIZE.updates * SIZE.depth
        assert all(solve.solved for solve in solves)
        assert {layer.engine for layer in model.layers} == {"auto"}
        for a, b in zip(model.parameters(), stepwise.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_images_are_read_row_by_row():
    assert real_task(None).batch(0, 2).inputs.shape == (2, 28, 28)
    assert Size().of(None) == (100, 32)


@pytest.mark.skipif(not SPEECH.exists(), reason="needs shared/data")
def test_with_data_speakers_are_told_apart():
    task = real_task(str(SPEECH))
    assert task.outputs.count == 5
    assert task.batch(0, 2).inputs.shape == (2, 4096, 1)
    assert SIZE.of(str(SPEECH)) == (1, 2)
