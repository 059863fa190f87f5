"""Rows and their means."""

from __future__ import annotations

import pytest

from ostinato.bench.result import geometric_mean

from .conftest import row


def test_the_mean_is_geometric():
    assert geometric_mean([row(ratio=0.5), row(ratio=8.0)]) == pytest.approx(2)


def test_without_every_ratio_there_is_no_mean():
    assert geometric_mean([row(ratio=2.0), row(ratio=None, failure="no")]) is None
    assert geometric_mean([]) is None


def test_failures_are_the_rows_with_a_red_gate(changed):
    assert changed(lambda row: False).failures == []
    result = changed(lambda row: row.case == "gru", ratio=None, failure="no")
    assert {row.case for row in result.failures} == {"gru"}
