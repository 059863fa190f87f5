"""The folder of a run: which files it has, and what may happen to those of an earlier one."""

from __future__ import annotations

import shutil
from pathlib import Path

from ostinato.core.errors import ArgumentError
from ostinato.train.settings import Settings

CHECKPOINTS, LOG, TENSORBOARD = "checkpoints", "log.jsonl", "tensorboard"
TABLE, PICTURE, FILM, RESULT = "curve.csv", "curve.png", "episode.gif", "result.json"


def check_folder(config: Settings) -> None:
    """Refuse the folder of an earlier run unless it is to be continued or deleted.

    Raises:
        ArgumentError: naming the choices.
    """
    if _files_of_a_run(config.out) and not (config.resume or config.overwrite):
        raise ArgumentError(
            f"{config.out} already holds a run. Continue it with --resume, delete it with "
            "--overwrite, or choose another --out."
        )


def make_folder(config: Settings) -> None:
    """Make the folder; with overwrite, delete what a run writes and leave other files alone.

    Raises:
        ArgumentError: if the folder cannot be used.
    """
    try:
        for path in _files_of_a_run(config.out) if config.overwrite else []:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"--out {config.out} cannot be used: {error}. Choose another."
        ) from error


def _files_of_a_run(folder: Path) -> list[Path]:
    names = (CHECKPOINTS, LOG, TENSORBOARD, TABLE, PICTURE, FILM, RESULT)
    return [folder / name for name in names if (folder / name).exists()]
