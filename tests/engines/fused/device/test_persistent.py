"""Cells whose matrices several programs share: the numbers of the reference."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton")

import interpreted_engine
from ostinato.cells import make_cell
from ostinato.engines.fused.device import persistent
from ostinato.engines.fused.device.forms import PERSISTENT
from ostinato.engines.fused.device.persistent import Persistent, share
from ostinato.engines.fused.layout import LowerError

from ..steps import STEPS
from .kernels import kernel
from .side_by_side import side_by_side
from .test_engine import OPTIONS, check, compare


@pytest.fixture(autouse=True, scope="module")
def shared(interpreted):
    """The engine "triton" takes this form wherever it can."""
    interpreted_engine.install(PERSISTENT)
    yield
    interpreted_engine.install()


@pytest.fixture
def three(monkeypatch):
    """Three programs, which wait for one another."""
    monkeypatch.setattr(persistent, "processors", lambda _: 3)
    with side_by_side(monkeypatch) as numbers:
        yield numbers


@pytest.mark.parametrize("most", [0, 2**20], ids=["from the caches", "on chip"])
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_one_program(name, most, monkeypatch):
    monkeypatch.setattr(persistent, "_MOST_RESIDENT", {"ieee": most})
    compare(make_cell(name, 3, 17).double(), torch.randn(3, 4, 3, dtype=torch.float64))


@pytest.mark.parametrize("most", [0, 2**20], ids=["from the caches", "on chip"])
@pytest.mark.parametrize("name", ["LSTM", pytest.param("GRU", marks=pytest.mark.slow)])
def test_three_programs(name, most, three, monkeypatch):
    monkeypatch.setattr(persistent, "_MOST_RESIDENT", {"ieee": most})
    compare(make_cell(name, 3, 20).double(), torch.randn(3, 4, 3, dtype=torch.float64))
    assert set(three) == {3}


def test_tiles_of_rows_wait_for_their_own_programs(three):
    compare(make_cell("Elman", 3, 5).double(), torch.randn(140, 3, 3, dtype=torch.float64))
    assert 3 in three


def test_single_precision():
    compare(make_cell("Elman", 3, 5), torch.randn(3, 5, 3))


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_options_of_a_call(options):
    cell = make_cell("GRU", 2, 3).double()
    compare(cell, torch.randn(3, 4, 2, dtype=torch.float64), **OPTIONS[options])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STEPS if name.startswith("product")])
def test_products(name):
    check(name)


@pytest.mark.parametrize(
    ("rows", "elements", "expected"),
    [(32, 1024, (32, 8)), (64, 2048, (64, 16)), (65, 1024, (64, 16)), (3, 100, (16, 8))],
)
def test_programs_are_no_more_than_run_at_once(rows, elements, expected):
    tile = share(rows, elements, 132)
    assert (tile.rows, tile.units) == expected
    down, across = tile.grid(rows, elements)
    assert down * across <= 132


def test_too_many_rows_are_not_shared():
    assert share(64 * 133, 1024, 132) is None
    form = Persistent(kernel(STEPS["product.mm"]).programs["forward"], "float64", "cuda")
    with pytest.raises(LowerError, match="8512 rows are too many"):
        form.launched("ieee", 64 * 133)


def test_a_device_that_promises_nothing_is_not_made_to_wait(monkeypatch):
    form = Persistent(kernel(STEPS["product.mm"]).programs["forward"], "float64", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (6, 1))
    with pytest.raises(LowerError, match="does not promise"):
        form.step_time("ieee", 3, replayed=True)


def test_a_step_without_products_has_nothing_to_share():
    form = Persistent(kernel(STEPS["unary.sign"]).programs["forward"], "float64", "cpu")
    with pytest.raises(LowerError, match="no matrix"):
        form.launched("ieee", 3)
