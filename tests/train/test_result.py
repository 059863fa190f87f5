"""What a run came to is written for people, with or without a picture."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest

from ostinato.train.config import TrainConfig
from ostinato.train.early_stopping import StopReason
from ostinato.train.progress import Lines
from ostinato.train.result import conclude
from ostinato.train.run import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    options = {"delay": 1, "steps": 5, "held_out_sequences": 10}
    run = Run(
        TrainConfig(task="delay_copy", task_options=options, steps=1, device="cpu", out=tmp_path)
    )
    run.stopping.update(0.5, 0)
    run.save()
    return run


def test_the_summary_holds_score_data_and_settings(run: Run) -> None:
    stream = StringIO()
    result = conclude(run, StopReason.MINUTES, Lines(None, 0, stream))
    facts = json.loads((result.folder / "result.json").read_text())
    assert (facts["score"], facts["metric"], facts["reason"]) == (0.5, "accuracy", "MINUTES")
    assert facts["config"] == run.config.to_json()
    assert facts["data"] == run.task.describe()
    assert result.best_checkpoint == result.checkpoint == run.checkpoints / "step-00000000"
    assert "0.5000 accuracy" in stream.getvalue()
    assert str(result.folder) in stream.getvalue()


def test_without_matplotlib_there_is_the_table_and_a_note(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    stream = StringIO()
    result = conclude(run, StopReason.STEPS, Lines(None, 0, stream))
    assert result.curve is None
    assert (result.folder / "curve.csv").exists()
    assert "ostinato[plot]" in stream.getvalue()
