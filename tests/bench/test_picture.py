"""A picture is drawn of what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostinato.bench.picture import picture

PNG = b"\x89PNG"


@pytest.fixture
def result(result):
    """A few rows: to draw all of them takes seconds."""
    return replace(result, rows=result.rows[:12])


def test_a_result_is_drawn(result):
    assert picture(result).startswith(PNG)


def test_rows_without_a_ratio_are_left_out(result, changed):
    nothing = replace(result, rows=[])
    assert picture(nothing).startswith(PNG)
    failed = changed(lambda row: True, ratio=None, spread=None, failure="no")
    assert picture(failed) == picture(nothing)


def test_crowded_rows_look_different(result, changed):
    assert picture(changed(lambda row: True, crowded=True)) != picture(result)
