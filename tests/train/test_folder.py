"""Earlier runs are neither mixed with new ones nor deleted unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train.config import TrainConfig
from ostinato.train.folder import CHECKPOINTS, LOG, check_folder, make_folder


def used(folder: Path) -> None:
    (folder / CHECKPOINTS / "step-00000001").mkdir(parents=True)
    (folder / LOG).write_text("{}\n")
    (folder / "thesis.tex").write_text("years of work")


def test_a_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    used(tmp_path)
    with pytest.raises(ArgumentError, match=r"--resume.*--overwrite.*--out"):
        check_folder(TrainConfig(steps=1, out=tmp_path))
    for flag in ("resume", "overwrite"):
        check_folder(TrainConfig(steps=1, out=tmp_path, **{flag: True}))


def test_a_folder_with_other_files_is_welcome(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    check_folder(TrainConfig(steps=1, out=tmp_path))


def test_overwrite_deletes_the_run_and_nothing_else(tmp_path: Path) -> None:
    used(tmp_path)
    make_folder(TrainConfig(steps=1, out=tmp_path, overwrite=True))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_without_overwrite_nothing_is_deleted(tmp_path: Path) -> None:
    used(tmp_path)
    make_folder(TrainConfig(steps=1, out=tmp_path, resume=True))
    assert len(list(tmp_path.iterdir())) == 3
    make_folder(TrainConfig(steps=1, out=tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="--out"):
        make_folder(TrainConfig(steps=1, out=tmp_path / "file" / "run"))
