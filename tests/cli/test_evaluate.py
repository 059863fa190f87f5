"""`ostinato evaluate`."""

from __future__ import annotations

import json

import pytest

from ostinato.cli.evaluate import evaluate
from ostinato.core.errors import ArgumentError, DataError

from .conftest import SENTENCE


def measured(capsys, *arguments, **options):
    evaluate(*arguments, json=True, **options)
    return json.loads(capsys.readouterr().out)


def test_the_score_is_that_of_training(text_run, capsys):
    recorded = json.loads((text_run / "result.json").read_text())["score"]
    told = measured(capsys, text_run)
    assert told["score"] == pytest.approx(recorded, rel=1e-5)
    assert told["metric"] == "bits per character"
    assert told["data"] == "valid"


def test_text_for_people(copy_run, capsys):
    evaluate(copy_run)
    assert "accuracy (step" in capsys.readouterr().out


def test_another_text_is_read_with_the_models_vocabulary(text_run, tmp_path, capsys):
    like, unlike = tmp_path / "like.txt", tmp_path / "unlike.txt"
    like.write_text(SENTENCE * 20)
    unlike.write_text("ΑΒΓΔ ΕΖΗΘ\n" * 20)
    scores = [measured(capsys, text_run, text=path)["score"] for path in (like, unlike)]
    # Every unknown character costs the log2(1,114,112) = 20.1 bits that name it.
    assert scores[0] < 5
    assert scores[1] > 15


def test_text_is_for_models_of_text(copy_run, tmp_path):
    with pytest.raises(ArgumentError, match="delay_copy"):
        evaluate(copy_run, text=tmp_path)


def test_an_unknown_split_is_named(text_run):
    with pytest.raises(ArgumentError, match="There is no split 'tset'"):
        evaluate(text_run, split="tset")


def test_a_changed_text_is_noticed(text_file, text_run):
    before = text_file.read_text()
    text_file.write_text(before.replace("fox", "FOX"))
    try:
        with pytest.raises(DataError, match="vocabulary differs"):
            evaluate(text_run)
    finally:
        text_file.write_text(before)
