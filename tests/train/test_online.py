from __future__ import annotations

import math

import pytest
import torch

from ostinato.core.errors import ArgumentError, CheckpointError
from ostinato.train import checkpoint, online
from ostinato.train.build import load_trained
from ostinato.train.config import TrainConfig
from ostinato.train.online import OnlineLearner, Tally

PIECES = [b"the quick ", b"brown fox\n"] * 4


def learner(**options):
    options = {"cell": "ELSTM", "hidden_size": 8, "steps": 9, "engine": "reference"} | options
    return OnlineLearner(TrainConfig(**options))


def test_a_piece_is_predicted_before_it_is_learned():
    mine = learner()
    with torch.no_grad():
        symbols = torch.tensor([[ord("\n"), *PIECES[0]]])
        logits, _ = mine.model(symbols[:, :-1])
        nats = torch.nn.functional.cross_entropy(logits[0], symbols[0, 1:], reduction="sum")
    assert mine.learn(PIECES[0]) == pytest.approx(float(nats) / math.log(2))
    assert (mine.position, mine.step, mine.last) == (10, 1, ord(" "))


def test_it_learns_what_it_reads():
    mine = learner(warmup=0, learning_rate=0.02)
    first = mine.learn(PIECES[0])
    for _ in range(40):
        last = mine.learn(PIECES[0])
    assert last < first / 2


def test_restored_it_goes_on_bit_for_bit(tmp_path):
    whole, half = learner(), learner()
    expected = [whole.learn(piece) for piece in PIECES]
    for piece in PIECES[:4]:
        half.learn(piece)
    again = learner()
    again.restore(checkpoint.save(tmp_path, half.step, half.content()))
    assert [again.learn(piece) for piece in PIECES[4:]] == expected[4:]
    assert again.tally == whole.tally
    assert again.position == whole.position


def test_other_settings_do_not_continue_it(tmp_path):
    mine = learner()
    path = checkpoint.save(tmp_path, 0, mine.content())
    with pytest.raises(CheckpointError, match="--hidden_size was 8, is 9"):
        learner(hidden_size=9).restore(path)


def test_its_checkpoint_is_a_trained_model(tmp_path):
    mine = learner()
    mine.learn(PIECES[0])
    trained = load_trained(checkpoint.save(tmp_path, 1, mine.content()))
    assert trained.vocabulary == {"unit": "bytes"}
    torch.testing.assert_close(trained.model.state_dict(), mine.model.state_dict())


def test_what_cannot_be_paid_is_refused_before_it_begins(monkeypatch):
    monkeypatch.setattr(online, "_MOST", 2**20)
    with pytest.raises(ArgumentError, match=r"LSTM online would take .* GiB.*--cell ELSTM"):
        learner(cell="LSTM", hidden_size=16)


def test_late_pieces_count_more():
    tally = Tally()
    tally.add(8000.0, 1000)
    tally.add(1000.0, 1000)
    assert tally.whole == 4.5
    assert 1 < tally.late < 4.5
