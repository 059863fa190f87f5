"""What is missing is named, and so is what no peer takes."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import EngineError
from ostinato.engines.peers.installed import missing

from .conftest import reason

PEERS = ("accelerated-scan", "flashrnn", "flash-linear-attention")


@pytest.mark.parametrize("engine", PEERS)
def test_auto_never_takes_a_peer_and_naming_it_says_what_to_install(engine):
    cell, x = make_cell("MinGRU", 3, 4), torch.randn(2, 5, 3)
    told = ost.explain(ost.RNN(cell), x).decisions[0]
    assert told.chosen not in PEERS
    with pytest.raises(EngineError, match=f"is not installed.*pip install {engine}"):
        ost.RNN(cell, engine)(x)


def test_what_is_there_is_not_missing():
    assert missing("torch", "torch") is None
    assert missing("no_such_module", "it") is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"valid": torch.ones(5, 2).bool()}, "no lengths"),
        ({"restart": torch.zeros(5, 2).bool()}, "no resets"),
        ({"steps": 0}, "no steps"),
        ({"checkpoint": 2}, "checkpoint"),
    ],
)
def test_calls_that_no_peer_takes(options, said, install):
    install(flashrnn={})
    assert said in reason(make_cell("Elman", 3, 4), "flashrnn", torch.randn(2, 5, 3), **options)


def test_other_devices_and_precisions(install, monkeypatch):
    install(flashrnn={})
    cell, x = make_cell("Elman", 3, 4).double(), torch.randn(2, 5, 3, dtype=torch.float64)
    assert "for float32, bfloat16, float16 only" in reason(cell, "flashrnn", x)
    monkeypatch.undo()
    install(flashrnn={})
    monkeypatch.setattr("ostinato.engines.peers.installed.DEVICES", ("cuda",))
    assert "CUDA device only" in reason(cell.float(), "flashrnn", x.float())
