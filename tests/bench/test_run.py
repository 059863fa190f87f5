"""A run puts the gate before the clock."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench import run as module
from ostinato.bench.bandwidth import KINDS
from ostinato.bench.cases import select
from ostinato.bench.measure import MODES, Timing
from ostinato.bench.result import BandwidthRow, CompileRow
from ostinato.bench.run import run
from ostinato.core.errors import ArgumentError


@pytest.fixture
def threads_seen(monkeypatch):
    """No time is taken; the numbers of threads at which it would have been."""
    seen = []

    def timed(contest, mode, repeats):
        seen.append(torch.get_num_threads())
        return Timing(2.0, (1.5, 2.5), 1.0, 2.0)

    monkeypatch.setattr(module, "time_contest", timed)
    return seen


def test_every_mode_and_number_of_threads_has_a_row(tiny, threads_seen):
    result = run([tiny], threads=(1, 2), repeats=3)
    assert [(row.threads, row.mode) for row in result.rows] == [
        (count, mode) for count in (1, 2) for mode in MODES
    ]
    assert threads_seen == [1, 1, 2, 2]
    assert torch.get_num_threads() == 1
    assert {(r.case, r.peer, r.size, r.ratio) for r in result.rows} == {
        ("tiny", "nn.RNN", "B=2 T=3 H=4", 2.0)
    }
    assert result.compile == []


def test_what_was_measured_earlier_is_kept(tiny, threads_seen):
    stored = []
    earlier = run([tiny], threads=(2,), repeats=3, store=stored.append)
    assert [len(result.rows) for result in stored] == [2]
    result = run([tiny], threads=(1, 2), repeats=3, earlier=earlier, store=stored.append)
    assert threads_seen == [2, 2, 1, 1]
    assert [row.threads for row in result.rows] == [1, 1, 2, 2]
    assert result.rows[2:] == earlier.rows
    assert result.seconds >= earlier.seconds
    run([tiny], threads=(1, 2), earlier=result, store=stored.append)
    assert len(stored) == 2


def test_rows_are_in_the_order_of_the_cases(threads_seen, monkeypatch):
    monkeypatch.setattr(module, "disagreement", lambda contest: "not computed")
    chosen = select(["heads", "leaky"], quick=True)
    backwards = run(chosen[1:], earlier=run(chosen[:1])).rows
    forwards = run(chosen[:1], earlier=run(chosen[1:])).rows
    assert {row.case for row in forwards} == {"leaky", "heads"}
    assert [row.case for row in forwards] == [row.case for row in backwards]


def test_compilation_is_not_measured_twice(monkeypatch):
    made = [CompileRow(8, "cold", 2.0, 1.0)]
    monkeypatch.setattr(module, "compile_rows", lambda steps: made)
    earlier = run([], compile_time=True)
    monkeypatch.setattr(module, "compile_rows", None)
    assert run([], compile_time=True, earlier=earlier).compile == earlier.compile


def test_a_red_gate_gives_no_ratio(tiny, threads_seen, monkeypatch):
    monkeypatch.setattr(module, "disagreement", lambda contest: "outputs differ")
    result = run([tiny])
    assert [(row.ratio, row.failure) for row in result.rows] == [(None, "outputs differ")] * 2
    assert threads_seen == []


def test_others_are_noted(tiny, threads_seen, monkeypatch):
    monkeypatch.setattr(module.Company, "cores", lambda self: 50.0)
    assert all(row.crowded and row.others == 50 for row in run([tiny]).rows)


def test_compilation_is_measured_on_demand(monkeypatch):
    made = [CompileRow(8, "cold", 2.0, 1.0)]
    monkeypatch.setattr(module, "compile_rows", lambda steps: made)
    assert run([], compile_time=True).compile == made * 2


def test_rates_are_measured_on_demand_and_once(monkeypatch):
    made = [BandwidthRow("diagonal", 8, 1, 2, 1, "forward", 0.9, 20.0)]
    monkeypatch.setattr(module, "bandwidth_rows", lambda *about: made)
    first = run([], bandwidth=True)
    assert first.bandwidth == made * len(KINDS)
    monkeypatch.setattr(module, "bandwidth_rows", None)
    assert run([], bandwidth=True, earlier=first).bandwidth == first.bandwidth


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"threads": ()}, {"threads": (1, 0)}])
def test_numbers_below_one_are_refused(wrong):
    with pytest.raises(ArgumentError, match="1 repeat and 1 thread"):
        run([], **wrong)
