from __future__ import annotations

from functools import partial

import pytest

from ostinato.cells.cprnn import CPRNNCell
from ostinato.cells.elman import ElmanCell
from ostinato.cells.mirnn import MIRNNCell
from ostinato.cells.second_order import SecondOrderCell
from ostinato.experiments.cprnn_language import Size, _cells, hidden_size, language_net


@pytest.mark.parametrize(
    "make", [ElmanCell, MIRNNCell, SecondOrderCell, partial(CPRNNCell, rank=4)], ids=str
)
def test_nets_are_as_large_as_the_budget_allows(make):
    units = hidden_size(make, 101, 8281)
    sizes = [
        sum(p.numel() for p in language_net(make(101, n)).parameters()) for n in (units, units + 1)
    ]
    assert sizes[0] <= 8281 < sizes[1]


def test_the_papers_budget_gives_the_papers_units():
    assert hidden_size(partial(CPRNNCell, rank=4), 101, 8281) == 32
    assert hidden_size(partial(CPRNNCell, rank=192), 101, 111_013) == 128


def test_one_net_of_smallest_rank_has_as_many_units_as_the_middle_one():
    cells = _cells(Size(8000, (2, 4, 9), 1, 1, 1e-3, 10), 50)
    made = {name: cell() for name, cell in cells.items()}
    assert [c.rank for c in made.values() if isinstance(c, CPRNNCell)] == [4, 2, 9, 2]
    assert made["CPRNN, smallest rank, as many units"].hidden_size == made["CPRNN"].hidden_size
    assert made["CPRNN, smallest rank"].hidden_size > made["CPRNN"].hidden_size
