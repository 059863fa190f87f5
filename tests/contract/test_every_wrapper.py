"""The contract of every cell inside every wrapper, and of wrappers inside wrappers."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import cell_names, make_cell
from ostinato.core.state import map_state
from ostinato.wrap import (
    Leak,
    LearnedState,
    LowRank,
    Mask,
    MixedPrecision,
    Normalised,
    RecurrentDropout,
    Residual,
    VariationalDropout,
    Zoneout,
    parametrise,
)

pytestmark = pytest.mark.usefixtures("quick_compile")


def parametrised(cell):
    """A mask on every recurrent matrix, and low rank below it on the input matrix."""
    names = [n for n, p in cell.named_parameters() if p.dim() == 2 and n.startswith("recur")]
    masks = {n: Mask.random(*cell.get_parameter(n).shape, sparsity=0.5) for n in names}
    inputs = [n for n, _ in cell.named_parameters() if n.split(".")[-2:] == ["input", "weight"]]
    return parametrise(cell, masks | {name: LowRank(2) for name in inputs})


def normalised(cell):
    """At the places that every cell has."""
    return Normalised(cell, at=("readout",))


WRAPPERS = {
    "zoneout": lambda cell: Zoneout(cell, 0.3),
    "zoneout-tree": lambda cell: Zoneout(cell, map_state(lambda _: 0.4, cell.initial_state(1))),
    "variational-dropout": lambda cell: VariationalDropout(cell, 0.2, 0.3, 0.4),
    "recurrent-dropout": lambda cell: RecurrentDropout(cell, 0.3),
    "leak": lambda cell: Leak(cell, 0.4),
    "leak-learned": lambda cell: Leak(cell, 0.4, learn=True),
    "residual": lambda cell: Residual(cell, projection=True),
    "normalised": normalised,
    "learned-state": LearnedState,
    "mixed-precision": MixedPrecision,
    "parametrised": parametrised,
    "nested": lambda cell: Residual(
        Zoneout(VariationalDropout(Leak(LearnedState(cell), 0.5), 0.2, 0.1, 0.1), 0.2), True
    ),
}


# Every kind that a wrapper can tell apart is here once: dense with one leaf and with two,
# normalised, element by element, with heads, affine with a real, a complex and a matrix state. The
# others are slow for their number.
KINDS = (
    "Elman",
    "GatedLinearAttention",
    "LRU",
    "LSTM",
    "LayerNormGRU",
    "MinLSTM",
    "ParaLSTM",
    "SLSTM",
    "SelectiveSSM",
)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    "name", [n if n in KINDS else pytest.param(n, marks=pytest.mark.slow) for n in cell_names()]
)
def test_contract(name, wrapper):
    wrapped = WRAPPERS[wrapper](make_cell(name, 3, 5))
    report = ost.check_cell(wrapped, dtypes=[torch.float64])
    assert not report.failures


@pytest.mark.parametrize("name", ["Elman", "LSTM", "LayerNormGRU"])
def test_normalised_products(name):
    assert not ost.check_cell(Normalised(make_cell(name, 3, 5))).failures
