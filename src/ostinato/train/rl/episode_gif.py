"""An episode as a film."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from numpy import ndarray

from ostinato.core.extras import extra
from ostinato.tasks.rl.vector_environment import VectorEnvironment
from ostinato.train.rl.acting import Acting, Play

_LAST = 1000  # milliseconds that the last picture stays


class Film(NamedTuple):
    """An episode that was recorded.

    Attributes:
        path: of the film.
        returned: the sum of the rewards of its steps.
        steps: how many there were.
        whole: whether it came to its end.
    """

    path: Path
    returned: float
    steps: int
    whole: bool


def record_episode(
    acting: Acting,
    environment: VectorEnvironment,
    path: Path,
    *,
    seed: int = 0,
    frames_per_second: int = 20,
    longest: int = 1000,
) -> Film:
    """Play an episode in the first of the environments and write it as GIF.

    Every picture is of what is acted on, so what the last action leads to is not shown.

    Args:
        acting: chooses the actions.
        environment: one of its own, not the one that is learned in: it is reset.
        path: of the file.
        seed: of the episode.
        frames_per_second: steps that are shown in a second.
        longest: steps after which the film ends.

    Raises:
        NoPictureError: if the environment draws no pictures.
        MissingExtraError: without pillow, or what the environment draws with.
    """
    image = extra("PIL.Image", "plot", "A recorded episode", "`evaluate` needs no pictures.")
    play, pictures = Play(acting, environment, seed), list[Any]()
    returned, whole = 0.0, False
    while not whole and len(pictures) < longest:
        pictures.append(_reduced(image, environment.frame()))
        t = play.step()
        returned, whole = returned + float(t.reward[0]), bool(t.over[0])
    _write(pictures, path, 1000 // frames_per_second)
    return Film(path, returned, len(pictures), whole)


def _reduced(image: Any, frame: ndarray) -> Any:
    """256 colours, all that a GIF can have: a third of the memory until it is written."""
    return image.fromarray(frame).quantize()


def _write(pictures: list[Any], path: Path, milliseconds: int) -> None:
    durations = [milliseconds] * (len(pictures) - 1) + [_LAST]
    unfinished = path.with_name(f".{path.name}.unfinished")
    first, *others = pictures
    first.save(unfinished, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    os.replace(unfinished, path)
