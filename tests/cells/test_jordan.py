from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.elman import ElmanCell
from ostinato.cells.jordan import JordanCell

F64 = torch.float64


def test_with_a_linear_output_it_is_an_elman_network():
    """y = V h, so U y = (U V) h."""
    cell = JordanCell(3, 5, output_size=4, output_activation="identity", bias=False, dtype=F64)
    elman = ElmanCell(3, 5, bias=False, dtype=F64)
    with torch.no_grad():
        elman.input.weight.copy_(cell.input.weight)
        elman.recur.weight.copy_(cell.recur.weight @ cell.output.weight)
    x = torch.randn(2, 6, 3, dtype=F64)
    h, _ = ost.RNN(elman, "reference")(x)
    y, context = ost.RNN(cell, "reference")(x)
    torch.testing.assert_close(y, h @ cell.output.weight.T)
    torch.testing.assert_close(context, y[:, -1])


def test_the_context_adds_up_outputs_that_fade():
    cell = JordanCell(3, 5, output_size=2, decay=0.5)
    y, context = ost.RNN(cell)(torch.randn(4, 3, 3))
    torch.testing.assert_close(context, 0.25 * y[:, 0] + 0.5 * y[:, 1] + y[:, 2])


def test_before_the_first_step_there_was_no_output():
    cell, x = JordanCell(3, 5), torch.randn(2, 3)
    y, _ = cell(x, cell.initial_state(2))
    torch.testing.assert_close(y, torch.sigmoid(cell.output(torch.tanh(cell.input(x)))))


def test_a_teacher_puts_the_target_in_the_place_of_the_output():
    cell = JordanCell(3, 5, output_size=2, decay=0.3)
    x, target = torch.randn(4, 6, 3), torch.randn(4, 6, 2)
    y, _ = ost.RNN(cell)((x, target))
    context = cell.initial_state(4)
    for t in range(6):
        torch.testing.assert_close(y[:, t], cell(x[:, t], context)[0])
        context = 0.3 * context + target[:, t]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"decay": 1.0}, r"decay must be in \[0, 1\)"), ({"activation": "tahn"}, "mean 'tanh'")],
)
def test_bad_options(options, words):
    with pytest.raises(ost.OstinatoError, match=words):
        JordanCell(3, 5, **options)
