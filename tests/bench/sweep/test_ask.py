"""A question is answered by numbers or by the reason why there are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ostinato.bench.measure import MODES
from ostinato.bench.sweep import ask as module
from ostinato.bench.sweep.ask import ask, settle_precision
from ostinato.core.errors import EngineError
from ostinato.engines.parallel.solves import newton

from .conftest import question


def asked(*about, **more):
    return ask(question(*about, **more), "cpu", repeats=1, limit=1.0)


def told(monkeypatch, name):
    """Whether a side is the one of a name."""
    right, made = module.side, []

    def side(cell, engine):
        made.append((run := right(cell, engine), engine))
        return run

    monkeypatch.setattr(module, "side", side)
    return lambda run: any(each is run and engine == name for each, engine in made)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engine", ["reference", "parallel"])
def test_numbers(engine, mode):
    entry = asked(engine=engine, mode=mode)
    assert entry.note == ""
    assert entry.ms > 0
    assert entry.peak is None or entry.peak >= 0
    assert 0 < entry.error < 1e-4
    assert entry.error == pytest.approx(max(entry.parts.values()))
    assert set(entry.parts) == ({"y"} if mode == MODES[0] else {"y", "x", "weights"})
    assert (entry.iterations is None) == (engine == "reference")


def test_errors_are_told_part_by_part_where_the_input_has_parts(monkeypatch):
    right, calls = module._results, []

    def off(run, *about):
        y, dx = right(run, *about)
        calls.append(run)
        if len(calls) == 1:
            # Behind q, k and v stand two numbers for β and two for g.
            dx[..., 12:14] *= 1.01
        return [y, dx]

    monkeypatch.setattr(module, "_results", off)
    asked_for = question(cell="Updates-1", engine="reference", mode=MODES[1])
    spot = replace(asked_for.spot, heads=2)
    entry = ask(replace(asked_for, spot=spot), "cpu", repeats=1, limit=1.0)
    assert list(entry.parts) == ["y", "q", "k", "v", "β", "g"]
    assert entry.parts["β"] == entry.error == pytest.approx(0.01, rel=1e-3)
    assert max(entry.parts[name] for name in "yqkvg") < 1e-5


def test_of_a_grid_a_few_rows_are_compared(monkeypatch):
    right, seen = module.inputs, []

    def inputs(spot, *about):
        seen.append((spot.batch, spot.steps))
        return right(spot, *about)

    monkeypatch.setattr(module, "inputs", inputs)
    asked_for = question(cell="pLSTM-D", engine="blocks")
    spot = replace(asked_for.spot, batch=9, steps=300)
    entry = ask(replace(asked_for, spot=spot), "cpu", repeats=1, limit=1.0)
    assert entry.ms > 0
    assert seen == [(8, 256), (8, 256), (9, 300)]


def test_a_column_says_how_newtons_method_is_used():
    full, quasi = (
        asked(30, engine=name, cell="GRU").iterations for name in ("Newton", "quasi")
    )  # fmt: skip
    assert 1 <= full < quasi


def test_what_is_rounded_is_compared_with_what_is_not():
    asked_for = question(engine="reference", mode=MODES[1])
    narrow = replace(asked_for, spot=replace(asked_for.spot, dtype="bfloat16"))
    entry = ask(narrow, "cpu", repeats=1, limit=1.0)
    assert entry.note == ""
    assert 1e-3 < entry.error < 6e-2


def test_an_engine_that_fails_late_is_wrong(monkeypatch):
    right = module._results

    def late(run, *about):
        first, *others = right(run, *about)
        first = first.clone()
        first[:, 200:] = first[:, 200:] + 9 * wrong(run)
        return [first, *others]

    wrong = told(monkeypatch, "parallel")
    monkeypatch.setattr(module, "_results", late)
    assert "wrong" in asked(300, engine="parallel").note


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"engine": "torch"}, "no module with the equations of ParaGRUCell"),
        ({"engine": "tourch"}, "Did you mean 'torch'"),
        ({"cell": "LTSM"}, "'LSTM'"),
    ],
)
def test_what_cannot_be_run_says_why(more, said):
    entry = asked(**more)
    assert entry.ms is None
    assert said in entry.note
    assert entry.declined == ("engine" in more)


def test_what_is_wrong_is_not_timed(monkeypatch):
    right = module._results

    def off(run, *about):
        results = right(run, *about)
        return [1.1 * r for r in results] if wrong(run) else results

    wrong = told(monkeypatch, "parallel")
    monkeypatch.setattr(module, "_results", off)
    monkeypatch.setattr(module, "median_ms", None)
    entry = asked(engine="parallel")
    assert (entry.ms, entry.note) == (None, "wrong: off by 1.0e-01")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("17 GiB"), "out of memory"),
        (RuntimeError("first line\nsecond"), "first line"),
        (NotImplementedError(), "NotImplementedError"),
    ],
)
def test_a_pass_that_fails_leaves_a_note(monkeypatch, error, said):
    def failing(*about):
        raise error

    monkeypatch.setattr(module, "median_ms", failing)
    entry = asked(engine="reference")
    assert (entry.ms, entry.note) == (None, said)


def test_windows_that_newtons_method_leaves_to_others_are_counted(monkeypatch):
    monkeypatch.setattr(module, "newton", lambda: newton(iterations=1, tolerance=1e-30))
    entry = asked(engine="parallel")
    assert entry.ms > 0
    assert entry.note == "1 of 1 windows were not solved"


def test_a_device_that_answers_nothing_more_ends_the_process(monkeypatch):
    def failing():
        raise RuntimeError("illegal access")

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "synchronize", failing)
    with pytest.raises(EngineError, match="what came before"):
        module._check_device("what came before")


def test_every_library_multiplies_alike():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        settle_precision("high")
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
        settle_precision("highest")
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
