"""Two small runs that the tests of several commands read."""

from __future__ import annotations

from io import StringIO

import pytest

from ostinato.train.config import TrainConfig
from ostinato.train.loop import train

SENTENCE = "the quick brown fox jumps over the lazy dog.\n"


@pytest.fixture(scope="session")
def text_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "fox.txt"
    path.write_text(SENTENCE * 200)
    return path


@pytest.fixture(scope="session")
def text_run(text_file, tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("text_run"), text=str(text_file), window=16)


@pytest.fixture(scope="session")
def bytes_run(text_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes_run")
    return small_run(folder, text=str(text_file), window=16, task_options={"unit": "bytes"})


@pytest.fixture(scope="session")
def copy_run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("copy_run"), task="delay_copy")


def small_run(folder, **options):
    config = TrainConfig(
        out=folder, steps=20, hidden_size=16, batch_size=8, learning_rate=0.03, **options
    )
    train(config, StringIO())
    return folder
