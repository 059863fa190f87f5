from __future__ import annotations

import logging

import pytest
import torch

import ostinato as ost
from ostinato.core import registry
from ostinato.core.errors import EngineError, OstinatoError, nearest


class Failing:
    name, summary, rank = "failing", "takes everything and fails", 99

    def decline(self, recurrence):
        return None

    def hesitate(self, recurrence):
        return None

    def run(self, recurrence):
        raise EngineError("it broke")


@pytest.fixture
def failing(monkeypatch):
    monkeypatch.setattr(registry, "_ENGINES", dict(registry.engines()))
    registry.register(Failing())


def test_engines_stand_in_the_order_of_rank():
    names = list(registry.engines())
    assert names[:5] == ["torch", "chunk", "fused", "parallel", "reference"]
    assert set(names[5:]) == {
        "accelerated-scan",
        "pararnn",
        "flashrnn",
        "flash-linear-attention",
    }


@pytest.mark.usefixtures("failing")
def test_auto_passes_over_an_engine_that_fails_and_says_so(caplog):
    with caplog.at_level(logging.WARNING, "ostinato"):
        carry, _ = ost.scan(lambda h, x: (h + x, h), torch.zeros(2), torch.ones(3, 2))
    assert carry.tolist() == [3, 3]
    assert "failing failed" in caplog.text
    with pytest.raises(EngineError, match="it broke"):
        ost.scan(lambda h, x: (h + x, h), torch.zeros(2), torch.ones(3, 2), engine="failing")


def test_nearest():
    assert nearest("lstn", ["lstm", "gru"]).startswith("Did you mean 'lstm'?")
    assert nearest("q", ["lstm"]) == "Known: lstm."
    assert issubclass(EngineError, OstinatoError)
