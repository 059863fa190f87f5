"""`ostinato rl`."""

from __future__ import annotations

import pytest

from ostinato.cli.__main__ import main
from ostinato.train.early_stopping import StopReason
from ostinato.train.rl import loop
from ostinato.train.rl.config import AgentConfig
from ostinato.train.rl.loop import AgentResult

SMALL = [
    "--steps=80", "--environments=4", "--segment=5", "--hidden-size=4", "--episodes=4",
    "--engine=reference", '--environment-options={"length": 1, "limit": 4}',
]  # fmt: skip


def test_an_agent_learns_is_evaluated_and_recorded(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["rl", "t_maze", "--out", str(out), *SMALL]) == 0
    shown = capsys.readouterr().out
    assert "80 steps in" in shown
    assert "in 4 episodes" in shown
    for name in ("checkpoint", "log"):
        assert name in shown
    assert (out / "log.jsonl").exists()


def test_options_are_those_of_the_configuration(monkeypatch, capsys):
    seen = []

    def begin(environment, config):
        seen.append((environment, config))
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", begin)
    words = ["--cell=GRU", "--algorithm=ppo", "--learner=rtrl", "--steps=7"]
    assert main(["rl", "repeat_previous", *words]) == 130
    expected = AgentConfig(cell="GRU", algorithm="ppo", learner="rtrl", steps=7)
    assert seen == [("repeat_previous", expected)]


def test_an_interrupted_run_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    result = AgentResult(
        tmp_path, StopReason.INTERRUPTED, 20, None, None, None, None, tmp_path, 1.0
    )
    monkeypatch.setattr(loop, "train", lambda environment, config: result)
    assert main(["rl", "t_maze"]) == 130
    assert "--resume" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rl"], "environment"),
        (["rl", "t_maez"], "Did you mean 't_maze'"),
        (["rl", "t_maze", "--learner=bptt"], "'tbptt', 'rtrl'"),
    ],
)
def test_what_is_wrong_is_named(words, told, capsys, tmp_path):
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert told in capsys.readouterr().err
