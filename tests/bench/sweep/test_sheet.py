"""Answers survive their file, or are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.bench.machine import this_machine
from ostinato.bench.sweep.entry import Entry
from ostinato.bench.sweep.sheet import Sheet, load, save
from ostinato.core.errors import DataError

from .conftest import answer, question


@pytest.fixture
def sheet():
    entries = [answer(question(1), peak=5, error=1e-7), Entry(question(2), note="out of memory")]
    return Sheet(this_machine(), "high", entries)


def test_a_sheet_survives_its_file(sheet, tmp_path):
    path = tmp_path / "deep" / "a.json"
    save(sheet, path)
    assert load(path, sheet.machine, "high") == sheet


def test_without_a_file_nothing_was_measured(sheet, tmp_path):
    found = load(tmp_path / "a.json", sheet.machine, "high")
    assert found == replace(sheet, entries=())


def test_another_machine_or_precision_is_refused(sheet, tmp_path):
    path = tmp_path / "a.json"
    save(sheet, path)
    with pytest.raises(DataError, match="measured elsewhere: torch"):
        load(path, replace(sheet.machine, torch="1.0"), "high")
    with pytest.raises(DataError, match="precision 'high', not 'highest'"):
        load(path, sheet.machine, "highest")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"entries": [{}]}'])
def test_what_is_no_sheet_is_named(sheet, content, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.json holds no table"):
        load(path, sheet.machine, "high")
