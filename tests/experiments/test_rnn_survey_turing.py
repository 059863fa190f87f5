from __future__ import annotations

from ostinato.experiments.rnn_survey_turing import Size, count, lstm, machine


def test_the_lstm_is_the_smallest_with_as_many_parameters():
    size = Size(updates=1)
    wanted, found = count(machine(size)), lstm(size)
    units = found.layer.cell.hidden_size
    assert wanted <= count(found) < 1.1 * wanted
    per_unit = count(found) - wanted
    assert per_unit < 8 * units + 4 * 5 + 8
