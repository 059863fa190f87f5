"""Which form a loop takes: by estimate, by a wish, by what was measured."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.bench.device_code import kernel_of
from ostinato.cells import make_cell
from ostinato.engines import tuned
from ostinato.engines.fused.device import kernel as kernels
from ostinato.engines.fused.device.forms import (
    ALTERNATING,
    ON_CHIP,
    PERSISTENT,
    Choice,
    contenders,
)
from ostinato.engines.fused.layout import LowerError

LONG, SHORT = 1000, 10


def choice(name, size, rows=32, steps=LONG, wanted=None, dtype=torch.float32):
    """The form of the forward loop."""
    kernel = kernel_of(make_cell(name, 3, size).to(dtype), 3, wanted)
    return kernel._choice("forward", rows, steps)


@pytest.mark.parametrize(
    ("name", "size", "form"),
    [("LSTM", 64, ON_CHIP), ("LSTM", 1024, ALTERNATING), ("Elman", 2048, ALTERNATING)],
)
def test_large_matrices_are_left_to_torch(name, size, form):
    assert choice(name, size).name == form


def test_short_sequences_do_not_pay_for_launches():
    assert choice("LSTM", 128, steps=SHORT).name == ON_CHIP
    assert choice("LSTM", 128).name == ALTERNATING


@pytest.mark.parametrize("rows", [16, 1024])
def test_sixteen_bits_that_do_not_stay_on_chip_are_left_to_torch(rows):
    assert choice("LSTM", 256, rows, dtype=torch.bfloat16).name == ALTERNATING


def test_more_rows_than_programs_at_once_take_turns():
    few, many = (choice("LSTM", 64, rows).microseconds for rows in (16, 2**14))
    assert many[ON_CHIP] > 1.9 * few[ON_CHIP]
    assert few[ALTERNATING] < many[ALTERNATING]


def test_a_wish_is_followed_where_there_are_products():
    assert choice("Elman", 4, wanted=ALTERNATING).name == ALTERNATING
    assert choice("ParaGRU", 4, wanted=ALTERNATING).name == ON_CHIP
    assert choice("LayerNormLSTM", 4, wanted=PERSISTENT).name == ON_CHIP


def test_wide_rows_that_are_summed_have_no_form_on_chip():
    form = choice("LayerNormLSTM", 1024)
    assert form.microseconds.keys() == {ALTERNATING}
    assert str(form).startswith("form: alternating (a step by estimate: alternating ")


def test_programs_that_wait_come_last_and_hopeless_forms_not_at_all(monkeypatch):
    times = {ON_CHIP: 5.0, ALTERNATING: 4.0, PERSISTENT: 1.0}
    assert contenders(times, None) == [ALTERNATING, ON_CHIP]
    monkeypatch.setenv("OSTINATO_PERSISTENT", "1")
    assert contenders(times, None) == [ALTERNATING, ON_CHIP, PERSISTENT]
    assert contenders(times, PERSISTENT) == [PERSISTENT]
    assert contenders(times | {ON_CHIP: 33.0}, None) == [ALTERNATING, PERSISTENT]


def test_what_was_measured_is_told():
    assert str(Choice(ON_CHIP, {ON_CHIP: 2.0}, True)) == (
        "form: on chip (measured; a step by estimate: on chip 2 µs)"
    )


def test_forms_that_run_are_timed_and_others_passed_over(monkeypatch, tmp_path):
    """Times are read off a list; the form on chip does not run."""
    times = {ALTERNATING: 3.0, PERSISTENT: 2.0}
    tried = []

    def trial(*_):
        def time(run):
            form = next(f for f in (ON_CHIP, *times) if f not in tried)
            tried.append(form)
            if form not in times:
                raise RuntimeError("out of resource")
            return times[form]

        return time

    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    monkeypatch.setenv("OSTINATO_PERSISTENT", "1")
    monkeypatch.setattr(tuned, "_device", lambda: "a device")
    monkeypatch.setattr(tuned, "measuring", lambda: True)
    monkeypatch.setattr(tuned, "_KNOWN", {})
    monkeypatch.setattr(kernels, "trial", trial)
    kernel = kernel_of(make_cell("LSTM", 3, 64), 3)
    before = kernel._choice("forward", 32, LONG)
    assert (before.name, before.measured, tried) == (ON_CHIP, False, [])
    after = kernel._choice("forward", 32, LONG, {})
    assert (after.name, after.measured, set(tried)) == (PERSISTENT, True, {ON_CHIP, *times})
    # Other sizes of the class are known, others are not.
    assert kernel._choice("forward", 30, LONG).measured
    assert not kernel._choice("forward", 33, LONG).measured
    assert not kernel._choice("forward", 32, SHORT).measured
    steps = kernel.microseconds(LONG + 1, 32, False) - kernel.microseconds(LONG, 32, False)
    assert steps == pytest.approx(after.microseconds[PERSISTENT])
    torch.use_deterministic_algorithms(True)
    try:
        assert kernel._choice("forward", 32, LONG, {}).name == ON_CHIP
    finally:
        torch.use_deterministic_algorithms(False)


def test_rows_that_fit_nowhere_are_refused():
    with pytest.raises(LowerError, match=r"in no form \(on chip: .*blocks of 65536 elements"):
        kernel_of(Softmax(2**16), 2**16)


class Softmax(ost.Cell):
    """A step over a wide row."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def initial_state(self, batch_size):
        return self.zeros(batch_size, self.size)

    def forward(self, x, h):
        h = torch.softmax(h + x, -1)
        return h, h
