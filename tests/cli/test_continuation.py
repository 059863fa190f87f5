"""Text from a trained model."""

from __future__ import annotations

import pytest

from ostinato.cli.continuation import continue_text
from ostinato.core.errors import ArgumentError
from ostinato.train.build import load_trained


def test_as_many_characters_as_wanted(text_run):
    pieces = list(continue_text(load_trained(text_run), "the ", 30, seed=0))
    assert [len(piece) for piece in pieces] == [1] * 30


def test_the_seed_decides(text_run):
    trained = load_trained(text_run)
    texts = ["".join(continue_text(trained, "the ", 40, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_unknown_characters_are_read_but_never_written(text_run):
    text = "".join(continue_text(load_trained(text_run), "Ω", 200, seed=0, temperature=5.0))
    assert "\N{REPLACEMENT CHARACTER}" not in text


def test_bytes_become_characters(bytes_run):
    pieces = continue_text(load_trained(bytes_run), "the ", 60, seed=0, temperature=0)
    assert "".join(pieces).isascii()


def test_a_model_of_something_else_is_refused(copy_run):
    with pytest.raises(ArgumentError, match="delay_copy"):
        continue_text(load_trained(copy_run), "the ", 3, seed=0)


def test_an_empty_prompt_is_refused(text_run):
    with pytest.raises(ArgumentError, match="prompt is empty"):
        continue_text(load_trained(text_run), "", 3, seed=0)
