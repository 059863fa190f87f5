"""Networks in the shape of graphs: special shapes, and evaluation node by node."""

from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells.elman import ElmanCell
from ostinato.cells.gru import GRUCell
from ostinato.models.graph.structured_cell import StructuredCell
from ostinato.over.dag import DAG

F64 = torch.float64
EDGES = torch.tensor([[0, 1, 1, 2, 2, 3], [2, 2, 3, 3, 4, 4]])


def elman(inputs, units):
    return ElmanCell(inputs, units, dtype=F64)


def test_levels_of_the_papers_example():
    cell = StructuredCell(elman, DAG(EDGES))
    assert cell.sizes == (2, 1, 1, 1)
    # 1 → 3 and 2 → 4 go past a level.
    assert cell.reads == [(0, ()), (1, (0,)), (2, (1,)), (2, (0,)), (3, (2,)), (3, (1,))]
    joined = StructuredCell(elman, DAG(EDGES), joined=True)
    assert joined.reads == [(0, ()), (1, (0,)), (2, (1, 0)), (3, (2, 1))]


def test_a_path_is_a_stack_of_single_units():
    cell = StructuredCell(elman, DAG(torch.tensor([[0, 1, 2], [1, 2, 3]])))
    assert cell.sizes == (1, 1, 1, 1)
    x = torch.randn(2, 5, 1, dtype=F64)
    stack = ost.Stack(ost.RNN(inner) for inner in cell.cells)
    torch.testing.assert_close(ost.RNN(cell)(x)[0], stack(x)[0])


def test_complete_levels_are_an_ordinary_stack():
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(3, 7)).T
    cell = StructuredCell(elman, DAG(pairs))
    assert cell.sizes == (3, 4)
    assert (cell.cells[1].input.weight != 0).all()


def test_joined_levels_are_evaluation_node_by_node():
    dag = DAG(EDGES)
    cell, x = StructuredCell(elman, dag, joined=True), torch.randn(3, 2, dtype=F64)
    state = tuple(torch.randn(3, size, dtype=F64) for size in cell.sizes)
    new = dict[int, torch.Tensor]()
    first = cell.cells[0](x, state[0])[1]
    new |= {0: first[:, 0], 1: first[:, 1]}
    for node, sources in ((2, [0, 1]), (3, [2, 1]), (4, [3, 2])):
        inner = cell.cells[node - 1]
        # Columns stand in the order of the levels that are read, unmasked ones are the edges.
        columns = inner.input.weight[0].nonzero().flatten()
        assert len(columns) == len(sources)
        a = sum(
            inner.input.weight[0, c] * new[s]
            for c, s in zip(columns.tolist(), sources, strict=True)
        )
        own = state[node - 1][:, 0] * inner.recur.weight[0, 0]
        new[node] = torch.tanh(a + inner.input.bias[0] + own)
    torch.testing.assert_close(cell(x, state)[0][:, 0], new[4])


def test_masks_are_the_same_in_every_gate():
    cell = StructuredCell(lambda d, h: GRUCell(d, h, dtype=F64), DAG(EDGES), joined=True)
    r, z, n = cell.cells[2].input.parametrizations.weight[0].mask.chunk(3)
    assert torch.equal(r, z)
    assert torch.equal(r, n)
    assert r.tolist() == [[True, False, True]]  # of units 2 | 0, 1 the last is no neighbour's


def test_generated_code_and_the_contract_of_the_reference(quick_compile):
    cell = StructuredCell(elman, DAG(EDGES))
    x = torch.randn(2, 5, 2, dtype=F64)
    torch.testing.assert_close(ost.RNN(cell, "fused")(x)[0], ost.RNN(cell, "reference")(x)[0])
    report = ost.check_cell(cell, dtypes=[F64], engines_to_check=["reference"])
    assert not report.failures
