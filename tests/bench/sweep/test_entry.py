"""Questions are compared but for their steps."""

from __future__ import annotations

from dataclasses import replace

from ostinato.bench.sweep.entry import Entry, Spot

from .conftest import question


def test_questions_are_alike_if_only_steps_differ():
    assert question(3).like(question(700))
    assert not question(3).like(question(3, engine="reference"))
    assert not question(3).like(question(3, mode="forward+backward"))
    assert not question(3).like(question(3, cell="LSTM"))
    narrow = replace(question(3), spot=replace(question(3).spot, dtype="float16"))
    assert not question(3).like(narrow)


def test_what_is_extrapolated_is_not_measured():
    assert Entry(question(), 1.0, note="2 of 3 windows were not solved").measured
    assert not Entry(question(), 1.0, note="extrapolated from T=2").measured
    assert not Entry(question(), note="out of memory").measured


def test_a_size_names_heads_rows_and_steps():
    assert Spot("LSTM", 768, 16, 1024, 12).size == "12 × 64, B=16, T=1024"
