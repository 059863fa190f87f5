from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.registry import recorded_decisions
from ostinato.models.time.plstm import LinePLSTM
from ostinato.train.engine_note import engine_notes


def notes(*layers):
    with recorded_decisions() as decisions:
        for layer in layers:
            layer(torch.randn(2, 5, 3))
    return engine_notes(decisions)


def test_the_engine_and_those_that_declined():
    rnn = ost.RNN(make_cell("MinimalGated", 3, 4))
    with recorded_decisions() as decisions:
        rnn(torch.randn(2, 5, 3))
    (told,) = engine_notes(decisions)
    chosen = decisions[0].chosen
    assert told.startswith(f"engine {chosen} (")
    assert "auto takes the best that applies; not torch: " in told


def test_an_engine_that_was_asked_for():
    (told,) = notes(ost.RNN(make_cell("GRU", 3, 4), "reference"))
    assert told.endswith("runs GRUCell: as asked for")


def test_layers_that_are_decided_alike_share_a_line():
    layers = [ost.RNN(make_cell("GRU", 3, 4), "reference") for _ in range(2)]
    assert len(notes(*layers)) == 1


def test_the_form_of_a_layer():
    (told,) = notes(LinePLSTM(3, 1))
    assert told.startswith("form blocks (up to 64 steps at once")
    assert told.endswith("computes LinePLSTM")
