"""The configuration refuses what cannot work and names the flag."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train.config import TrainConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_size", 0),
        ("layers", -1),
        ("batch_size", 0),
        ("dropout", 1.0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("warmup", -1),
        ("clip", -2.0),
        ("schedule", "cosin"),
        ("precision", "fp8"),
        ("device", "tpu"),
        ("minutes", float("inf")),
        ("evaluate_every", 0),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_flag(field: str, value: object) -> None:
    with pytest.raises(ArgumentError, match=f"--{field}"):
        TrainConfig(**{"steps": 1, field: value})


def test_a_misspelt_choice_is_guessed() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'cosine'"):
        TrainConfig(steps=1, schedule="cosin")


def test_a_run_needs_a_budget() -> None:
    with pytest.raises(ArgumentError, match=r"--steps or --minutes"):
        TrainConfig()


def test_resume_and_overwrite_exclude_each_other() -> None:
    with pytest.raises(ArgumentError, match="--overwrite"):
        TrainConfig(steps=1, resume=True, overwrite=True)


def test_text_belongs_to_the_task_text() -> None:
    with pytest.raises(ArgumentError, match="--text"):
        TrainConfig(steps=1, task="adding", text="book.txt")


def test_options_of_a_cell_and_of_a_model_exclude_each_other() -> None:
    with pytest.raises(ArgumentError, match="--model_options"):
        TrainConfig(steps=1, model="FlashRNN", cell_options={"heads": 2})
    with pytest.raises(ArgumentError, match="need a --model"):
        TrainConfig(steps=1, model_options={"heads": 2})


def test_json_round_trip() -> None:
    config = TrainConfig(steps=3, out="runs/a", task_options={"length": 4}, minutes=0.5)
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_from_json_names_an_unknown_field() -> None:
    with pytest.raises(ArgumentError, match="hidden_size"):
        TrainConfig.from_json({"steps": 1, "hidden_sizes": 3})


def test_identity_ignores_where_and_how_fast() -> None:
    one = TrainConfig(steps=3, out="a", device="cpu")
    assert one.identity() == TrainConfig(steps=3, out="b", resume=True, threads=2).identity()
    assert one.identity() != TrainConfig(steps=3, seed=1).identity()


def test_the_configuration_does_not_import_torch() -> None:
    code = "import sys, ostinato.train.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
