"""Which form a loop takes, by estimate."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.bench.device_code import kernel_of
from ostinato.cells import make_cell
from ostinato.engines.fused.device.forms import ALTERNATING, ON_CHIP, choose_form
from ostinato.engines.fused.device.segments import divide
from ostinato.engines.fused.layout import LowerError


def chosen(name, size, rows=32, replayed=True, wanted=None, precision="ieee"):
    """The form of the forward loop."""
    kernel = kernel_of(make_cell(name, 3, size), 3)
    made = kernel.sources(precision)["forward"]
    return choose_form(made, divide(made.program), rows, replayed, wanted)


@pytest.mark.parametrize(
    ("name", "size", "form"),
    [("LSTM", 64, ON_CHIP), ("LSTM", 1024, ALTERNATING), ("Elman", 2048, ALTERNATING)],
)
def test_large_matrices_are_left_to_torch(name, size, form):
    assert chosen(name, size).name == form


def test_short_sequences_do_not_pay_for_launches():
    assert chosen("LSTM", 256, replayed=False).name == ON_CHIP
    assert chosen("LSTM", 256, replayed=True).name == ALTERNATING


def test_more_rows_than_programs_at_once_take_turns():
    few, many = (chosen("LSTM", 64, rows).seconds for rows in (16, 2**14))
    assert many[ON_CHIP] > 1.9 * few[ON_CHIP]
    assert many[ALTERNATING] == few[ALTERNATING]


def test_a_wish_is_followed_where_there_are_products():
    assert chosen("Elman", 4, wanted=ALTERNATING).name == ALTERNATING
    assert chosen("ParaGRU", 4, wanted=ALTERNATING).name == ON_CHIP


def test_wide_rows_that_are_summed_have_no_form_on_chip():
    form = chosen("LayerNormLSTM", 1024)
    assert form.seconds.keys() == {ALTERNATING}
    assert str(form).startswith("form: alternating (a step by estimate: alternating ")


def test_rows_that_fit_nowhere_are_refused():
    with pytest.raises(LowerError, match="rows of 65536 elements do not fit into registers"):
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
