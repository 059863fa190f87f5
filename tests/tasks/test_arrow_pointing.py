"""Pictures of arrows and discs."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arrow_pointing import ArrowPointingTask
from ostinato.tasks.seeds import generator_at
from ostinato.tasks.task import Values


def test_pictures_are_black_on_white_and_a_function_of_the_step():
    task = ArrowPointingTask(64, 0.25, "image", seed=2)
    batch = task.batch(4, 8)
    assert batch.inputs.shape == (8, 64, 64, 1)
    assert batch.inputs.min() == 0
    assert batch.inputs.max() == 1
    assert (batch.inputs > 0.99).float().mean() > 0.85
    rows = ArrowPointingTask(64, 0.25, seed=2)
    assert rows.batch(4, 8).inputs.equal(batch.inputs.squeeze(-1))
    assert (rows.inputs, task.inputs) == (Values(64), Values(1))


@pytest.mark.parametrize("side", [192, 384])
def test_scenes_keep_their_distances(side):
    scene = ArrowPointingTask(side)._scene(generator_at(0), 2000)
    away = (scene.arrow - scene.disc).abs()
    assert (away >= 2 * scene.radius[:, None] - 1e-3).all()
    for places in (scene.arrow, scene.disc):
        assert places.min() >= 30
        assert places.max() <= side - 30
    assert 15 <= scene.radius.min() < 16
    assert 29 < scene.radius.max() <= 30


def test_disc_and_arrow_are_where_the_scene_says():
    task = ArrowPointingTask(192)
    scene = task._scene(generator_at(7), 4)
    picture = task.draw(generator_at(7), 4).inputs
    axis = torch.arange(192.0) + 0.5
    for k in range(4):
        away = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1) - scene.disc[k]
        inside = away.norm(dim=-1) < scene.radius[k] - 1
        assert picture[k][inside].max() == 0
        x, y = scene.arrow[k].long().tolist()
        assert picture[k, x - 1 : x + 2, y - 1 : y + 2].min() == 0
        rest = picture[k][away.norm(dim=-1) > scene.radius[k] + 1]
        assert 20 < int((rest < 0.5).sum()) < 3 * 30 * 2


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match=r"180 pixels or more along a side; got side=100"):
        ArrowPointingTask(100)
    with pytest.raises(ArgumentError, match=r"no order 'images'\. Did you mean 'image'"):
        ArrowPointingTask(order="images")
