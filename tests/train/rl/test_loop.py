from __future__ import annotations

import json
from io import StringIO

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train import checkpoint
from ostinato.train.early_stopping import StopReason
from ostinato.train.log import read_log
from ostinato.train.rl import loop
from ostinato.train.rl.config import AgentConfig
from ostinato.train.rl.loop import train


def small(out, **options):
    given = {
        "environments": 4, "hidden_size": 4, "segment": 5, "steps": 160, "episodes": 4,
        "evaluate_every": 80, "engine": "reference", "learner": "rtrl",
        "environment_options": {"length": 1, "limit": 4}, "out": out,
    }  # fmt: skip
    return AgentConfig(**(given | options))


def test_a_run_leaves_all_that_it_should(tmp_path):
    screen = StringIO()
    result = train("t_maze", small(tmp_path), screen)
    assert result.reason is StopReason.STEPS
    assert result.steps == 160
    assert result.evaluation.returns.numel() == 4
    assert "8 numbers seen" not in screen.getvalue()
    assert "3 numbers seen, 4 actions" in screen.getvalue()
    events = list(read_log(result.log))
    assert [e["step"] for e in events if "score" in e] == [80, 160]
    assert all(e["low"] <= e["score"] <= e["high"] for e in events if "score" in e)
    assert {"loss", "entropy", "divergence", "gradient_norm", "return"} <= set(events[1])
    for path in (result.curve, result.film and result.film.path):
        assert path is None or path.stat().st_size
    assert result.checkpoint.name == "step-00000160"
    summary = json.loads((tmp_path / "result.json").read_text())
    assert summary["return"] == result.evaluation.mean
    assert summary["interval"] == list(result.evaluation.interval())
    assert summary["config"]["learner"] == "rtrl"


@pytest.mark.parametrize(
    "options", [{}, {"learner": "tbptt", "algorithm": "ppo", "epochs": 2, "minibatches": 2}]
)
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, monkeypatch, options):
    whole = train("t_maze", small(tmp_path / "whole", **options), StringIO())
    original = loop._learn_segment

    def killed(run, log, shown):
        if run.step == 120:
            raise ZeroDivisionError
        original(run, log, shown)

    monkeypatch.setattr(loop, "_learn_segment", killed)
    with pytest.raises(ZeroDivisionError):
        train("t_maze", small(tmp_path / "part", **options), StringIO())
    monkeypatch.setattr(loop, "_learn_segment", original)
    screen = StringIO()
    part = train("t_maze", small(tmp_path / "part", resume=True, **options), screen)
    assert "continuing from" in screen.getvalue()
    assert part.log.read_text() == whole.log.read_text()
    for name in ("model", "optimizer", "carried", "environment"):
        ours, theirs = (checkpoint.load(r.checkpoint)[name] for r in (part, whole))
        assert str(ours) == str(theirs)


def test_an_interruption_saves_and_says_so(tmp_path, monkeypatch):
    class Interrupted:
        requested = True

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(loop, "Interrupt", Interrupted)
    result = train("t_maze", small(tmp_path), StringIO())
    assert result.reason is StopReason.INTERRUPTED
    assert (result.steps, result.evaluation) == (20, None)
    assert result.checkpoint.name == "step-00000020"


def test_a_finished_run_is_measured_again(tmp_path):
    first = train("t_maze", small(tmp_path), StringIO())
    again = train("t_maze", small(tmp_path, resume=True), StringIO())
    assert again.steps == 160
    assert again.evaluation.mean == first.evaluation.mean


def test_the_folder_of_a_run_is_not_overwritten(tmp_path):
    train("t_maze", small(tmp_path, steps=20), StringIO())
    with pytest.raises(ArgumentError, match="already holds a run"):
        train("t_maze", small(tmp_path), StringIO())
