"""Recurrence over the nodes of a graph."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells.gru import GRUCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError, EngineError, ShapeError
from ostinato.core.registry import recorded_decisions
from ostinato.over.dag import DAG
from ostinato.over.graph import GraphRNN, graph_scan

from .dags import DIAMOND, random_dag

REDUCE = {
    "sum": lambda rows: rows.sum(0),
    "mean": lambda rows: rows.mean(0),
    "max": lambda rows: rows.amax(0),
    "min": lambda rows: rows.amin(0),
}


def one_by_one(cell, dag, x, reduce, order, message=None, edge_x=None):
    """Node by node in a given topological order."""
    init, states, ys = cell.initial_state(dag.nodes), {}, {}
    for node in order:
        into = (dag.edges[1] == node).nonzero().flatten().tolist()
        if into:
            rows = [states[int(dag.edges[0, e])] for e in into]
            if message is not None:
                here = x[node : node + 1]
                rows = [
                    message(r, here, edge_x[e : e + 1]) for r, e in zip(rows, into, strict=True)
                ]
            before = REDUCE[reduce](torch.cat(rows))[None]
        else:
            before = init[node : node + 1]
        ys[node], states[node] = cell(x[node : node + 1], before)
    return torch.cat([ys[n] for n in range(dag.nodes)]), torch.cat(
        [states[n] for n in range(dag.nodes)]
    )


def some_order(dag, seed):
    """A topological order drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    left, order = set(range(dag.nodes)), []
    while left:
        waiting = {b for a, b in dag.edges.T.tolist() if a in left}
        ready = sorted(left - waiting)
        order.append(ready[int(torch.randint(len(ready), (), generator=generator))])
        left.remove(order[-1])
    return order


@pytest.mark.parametrize(
    ("reduce", "engine"),
    [*((name, "reference") for name in REDUCE), ("sum", "fused"), ("mean", "fused")],
)
def test_levels_equal_any_topological_order_in_values_and_gradients(reduce, engine):
    dag, cell = random_dag(14, 30), GRUCell(3, 4).double()
    x = torch.randn(14, 3, dtype=torch.float64, requires_grad=True)
    start = cell.initial_state(14)
    y, h = graph_scan(cell, dag, x, init=start, reduce=reduce, engine=engine)
    wanted = [*cell.parameters(), x]
    gradients = torch.autograd.grad((y.sin() + h.square()).sum(), wanted)
    for seed in range(2):
        y2, h2 = one_by_one(cell, dag, x, reduce, some_order(dag, seed))
        torch.testing.assert_close((y2, h2), (y, h))
        expected = torch.autograd.grad((y2.sin() + h2.square()).sum(), wanted)
        torch.testing.assert_close(gradients, expected)


def test_a_path_is_a_sequence():
    cell = LSTMCell(3, 4).double()
    x = torch.randn(1, 6, 3, dtype=torch.float64)
    dag = DAG(torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]))
    y, (h, c) = GraphRNN(cell)(x[0], dag)
    expected, last = ost.RNN(cell, "reference")(x)
    torch.testing.assert_close(y, expected[0])
    torch.testing.assert_close((h[-1:], c[-1:]), tuple(last))
    back = GraphRNN(cell, reverse=True)(x[0], dag)[0]
    torch.testing.assert_close(back, ost.RNN(cell, "reference")(x.flip(1))[0][0].flip(0))


def test_graphs_side_by_side_are_graphs_by_themselves():
    cell, graphs = GRUCell(2, 3).double(), [random_dag(n, 2 * n, n) for n in (5, 9, 3)]
    xs = [torch.randn(dag.nodes, 2, dtype=torch.float64) for dag in graphs]
    layer = GraphRNN(cell, reduce="max")
    together = layer(torch.cat(xs), DAG.join(graphs))[0]
    alone = [layer(x, dag)[0] for x, dag in zip(xs, graphs, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_messages_read_the_source_the_target_and_the_edge():
    dag, cell = random_dag(9, 18, 3), GRUCell(2, 2).double()
    message = nn.Bilinear(2, 2, 2).double()
    x, z = (torch.randn(n, 2, dtype=torch.float64) for n in (9, dag.edges.shape[1]))

    def send(state, x, edge):
        return message(state, x) * edge

    y, _ = GraphRNN(cell, send)(x, dag, z)
    expected, _ = one_by_one(cell, dag, x, "sum", some_order(dag, 0), send, z)
    torch.testing.assert_close(y, expected)


def test_a_reduction_of_ones_own():
    def last(messages, target, nodes):
        return messages.new_zeros(nodes, messages.shape[1]).index_copy(0, target, messages)

    dag = DAG(torch.tensor([[0, 1], [1, 2]]))
    cell, x = GRUCell(2, 2), torch.randn(3, 2)
    torch.testing.assert_close(GraphRNN(cell, reduce=last)(x, dag), GraphRNN(cell)(x, dag))


def test_a_long_path_costs_no_more_per_node():
    """The backward pass keeps no tensor of all nodes for each level."""
    nodes = 3000
    dag = DAG(torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)]))
    x = torch.zeros(nodes, 1, requires_grad=True)
    _, h = graph_scan(lambda x, h: (x, h + x), dag, x, init=torch.zeros(nodes, 1))
    h[-1].sum().backward()
    assert x.grad.eq(1).all()


def test_graphs_without_edges_and_without_nodes():
    cell = GRUCell(2, 3)
    for nodes in (0, 2):
        dag = DAG(torch.empty(2, 0, dtype=torch.int64), nodes)
        y, _ = GraphRNN(cell)(torch.randn(nodes, 2), dag)
        assert y.shape == (nodes, 3)


def test_what_does_not_fit_is_refused():
    dag, cell = DAG(DIAMOND), GRUCell(2, 3)
    with pytest.raises(ShapeError, match=r"each of the 4 nodes.*\[3, 2\]"):
        GraphRNN(cell)(torch.randn(3, 2), dag)
    with pytest.raises(ShapeError, match="each of the 5 edges"):
        GraphRNN(cell)(torch.randn(4, 2), dag, torch.randn(4, 1))
    with pytest.raises(ArgumentError, match="Did you mean 'mean'"):
        GraphRNN(cell, reduce="meen")
    with pytest.raises(EngineError, match="Did you mean 'fused'"):
        GraphRNN(cell, engine="fuse")
    with pytest.raises(EngineError, match="messages and other reductions than sums and means"):
        GraphRNN(cell, reduce="max", engine="fused")(torch.randn(4, 2), dag)


def test_the_choice_of_the_engine_is_told():
    with recorded_decisions() as decisions:
        GraphRNN(GRUCell(2, 3))(torch.randn(4, 2), DAG(DIAMOND))
    assert [each.chosen for each in decisions] == ["fused"]
