"""A result comes back from its file as it was, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.bench.machine import this_machine
from ostinato.bench.report import dumped
from ostinato.bench.stored import stored
from ostinato.core.errors import DataError


@pytest.fixture
def here(result, changed):
    found = changed(lambda row: row.case == "gru", ratio=None, spread=None, failure="no")
    return replace(found, machine=this_machine())


def test_a_result_survives_its_file(here, tmp_path):
    (tmp_path / "a.json").write_text(dumped(here))
    assert stored(tmp_path / "a.json") == here
    assert stored(tmp_path / "none.json") is None


def test_rows_of_another_machine_are_refused(here, tmp_path):
    other = replace(here, machine=replace(here.machine, torch="1.0", date="1990-01-01"))
    (tmp_path / "a.json").write_text(dumped(other))
    with pytest.raises(DataError, match=r"measured elsewhere: torch was '1\.0', is '[^;]*'\. Rows"):
        stored(tmp_path / "a.json")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": [{}]}', "no JSON"])
def test_what_is_no_result_is_named(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json holds no result"):
        stored(tmp_path / "a.json")
