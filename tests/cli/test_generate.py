"""`ostinato generate`."""

from __future__ import annotations

import builtins

import pytest

from ostinato.cli.__main__ import main
from ostinato.cli.generate import generate


def test_the_prompt_stands_before_its_continuation(text_run, capsys):
    generate(text_run, prompt="the ", length=25)
    shown = capsys.readouterr().out
    assert shown.startswith("the ")
    assert len(shown) == 4 + 25 + 1


def test_characters_are_shown_as_they_come(text_run, monkeypatch):
    printed = []
    monkeypatch.setattr(builtins, "print", lambda *text, **options: printed.append(options))
    generate(text_run, length=5)
    assert sum(options.get("flush", False) for options in printed) == 6


def test_a_checkpoint_serves_as_well_as_a_run(text_run, capsys):
    newest = max((text_run / "checkpoints").iterdir())
    assert main(["generate", str(newest), "--length", "5", "--top-k", "1"]) == 0
    assert len(capsys.readouterr().out) == 6


@pytest.mark.parametrize("option", ["--temperature=-1", "--top-k=0", "--top-p=1.5"])
def test_options_out_of_range_have_status_2(text_run, option, capsys):
    assert main(["generate", str(text_run), option]) == 2
    assert option[2:].partition("=")[0].replace("-", "_") in capsys.readouterr().err
