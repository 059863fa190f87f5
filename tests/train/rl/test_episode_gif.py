from __future__ import annotations

import numpy as np
import pytest
import torch

from ostinato.tasks.rl import make_environment
from ostinato.tasks.rl.t_maze import EAST, NORTH, WEST
from ostinato.tasks.rl.vector_environment import NoPictureError
from ostinato.train.rl.episode_gif import record_episode

image = pytest.importorskip("PIL.Image")


def to_the_end(observation, state, begin, reward):
    junction = observation.eq(torch.tensor([0.0, 1, 0])).all(1)
    return torch.where(junction, NORTH, EAST), None


def test_the_film_shows_every_step(tmp_path):
    maze = make_environment("t_maze", 2, length=3)
    film = record_episode(to_the_end, maze, tmp_path / "maze.gif", seed=1, frames_per_second=10)
    assert (film.steps, film.whole) == (4, True)
    assert film.returned in (4.0, pytest.approx(-0.1))
    assert [path.name for path in tmp_path.iterdir()] == ["maze.gif"]
    with image.open(film.path) as shown:
        assert (shown.format, shown.n_frames, shown.size) == ("GIF", 4, (96, 80))
        assert shown.info["duration"] == 100
        maze.reset(1)
        np.testing.assert_array_equal(np.asarray(shown.convert("RGB")), maze.frame())
        shown.seek(3)
        assert shown.info["duration"] == 1000


def test_a_film_of_an_episode_that_does_not_end(tmp_path):
    def stay(observation, state, begin, reward):
        return torch.full((len(observation),), WEST), state

    maze = make_environment("t_maze", 1)
    film = record_episode(stay, maze, tmp_path / "maze.gif", longest=5)
    assert (film.steps, film.whole) == (5, False)
    assert film.returned == pytest.approx(-0.5)


def test_an_environment_without_pictures_leaves_nothing_behind(tmp_path):
    class Blind:
        number, observation_size, actions, name = 1, 1, 1, "blind"

        def reset(self, seed=None):
            return torch.zeros(1, 1)

        def frame(self):
            raise NoPictureError("blind draws no pictures")

    with pytest.raises(NoPictureError, match="draws no pictures"):
        record_episode(to_the_end, Blind(), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
