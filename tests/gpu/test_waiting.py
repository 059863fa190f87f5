"""Kernels whose programs wait for one another, on a device, against the loop on the CPU.

They come last and apart, since one that waits for ever takes its process with it.
"""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core import registry
from ostinato.engines.fused.backend import Triton
from ostinato.engines.fused.device.forms import PERSISTENT
from ostinato.engines.fused.engine import FusedLoop

from .test_fused import outcome
from .test_parallel import test_affine_scans as check_scan

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


class Waiting(FusedLoop):
    name = "waiting"
    summary = "the persistent form, for tests"
    rank = -1

    def __init__(self):
        super().__init__(lambda _: Triton("cuda", PERSISTENT))


@pytest.fixture
def waiting(monkeypatch):
    monkeypatch.setenv("OSTINATO_PERSISTENT", "1")
    registry.engines()
    registry.register(Waiting())
    yield Waiting.name
    registry._ENGINES.pop(Waiting.name)


@pytest.mark.parametrize(("rows", "steps", "size"), [(1, 3, 128), (16, 1024, 256), (40, 50, 1024)])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "Elman"])
def test_programs_of_all_processors(name, rows, steps, size, waiting):
    cell, x = make_cell(name, 3, size), torch.randn(rows, steps, 3)
    expected = outcome(deepcopy(cell), "fused", x)
    found = outcome(cell.cuda(), waiting, x.cuda())
    assert f"form: {PERSISTENT}" in str(ost.explain(ost.RNN(cell, waiting), x.cuda()))
    for a, b in zip(found, expected, strict=True):
        assert float((a - b).norm() / b.norm()) < 1e-3


@pytest.mark.parametrize("kind", ["diagonal", "block"])
def test_parts_of_a_scan(kind, waiting):
    shape = {"diagonal": (3,), "block": (3, 2)}[kind]
    check_scan(kind, shape, torch.float64, 30_000, False)
