"""pLSTM on directed acyclic graphs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.models.graph.plstm_graph import GraphPLSTM, PLSTMGraph
from ostinato.models.tracking import Tracking
from ostinato.over.dag import DAG


def ladder(length=4):
    """A grid of two rows, whose line graph has cycles when undirected."""
    along = [(2 * n + r, 2 * n + r + 2) for n in range(length - 1) for r in (0, 1)]
    across = [(2 * n, 2 * n + 1) for n in range(length)]
    return DAG(torch.tensor([*along, *across]).T)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def test_in_p_mode_what_enters_is_shared_out():
    layer, dag = GraphPLSTM(8, 2, "P").double(), ladder()
    line = dag.line_graph
    t = 100 * draw(line.edges.shape[1], 2)
    shared = layer._shared(t, line).abs()
    total = torch.zeros(line.nodes, 2, dtype=torch.float64).index_add(0, line.edges[0], shared)
    some = line.edges[0].unique()
    assert total.max() < 1
    assert total[some].min() > 0.5
    other = GraphPLSTM(8, 2, "P", norm="out")._shared(t, line).abs()
    assert other.max() < 1


@pytest.mark.parametrize("mode", ["P", "D"])
def test_graphs_side_by_side_are_graphs_by_themselves(mode):
    layer = GraphPLSTM(8, 2, mode, edge_size=3).double()
    graphs = [ladder(2), ladder(4), DAG(torch.tensor([[0], [1]]))]
    xs = [draw(dag.nodes, 8) for dag in graphs]
    zs = [draw(dag.edges.shape[1], 3) for dag in graphs]
    together = layer(torch.cat(xs), DAG.join(graphs), torch.cat(zs))
    alone = [layer(x, dag, z) for x, dag, z in zip(xs, graphs, zs, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("mode", ["P", "D"])
def test_names_of_nodes_do_not_matter_if_edges_keep_their_direction(mode):
    layer, dag = GraphPLSTM(8, 2, mode, directions=1).double(), DAG(
        torch.tensor([[0, 0, 1, 2], [1, 2, 3, 4]])
    )  # fmt: skip
    x, order = draw(5, 8), torch.tensor([3, 1, 0, 4, 2])
    renamed = torch.empty_like(x)
    renamed[order] = x
    torch.testing.assert_close(layer(renamed, DAG(order[dag.edges]))[order], layer(x, dag))


def test_one_direction_reads_ancestors_only():
    layer, dag = GraphPLSTM(8, 2, directions=1).double(), ladder(3)
    x = draw(6, 8).requires_grad_()
    layer(x, dag)[2].sum().backward()
    assert x.grad[[0, 2]].abs().sum(1).min() > 0
    assert not x.grad[[1, 3, 4, 5]].any()


def test_a_model_answers_for_every_graph():
    model = PLSTMGraph(nn.Embedding(5, 12), 12, 3, heads=2)
    dag = DAG.join([ladder(2), ladder(3)])
    logits = model(torch.randint(5, (dag.nodes,)), dag)
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    full = PLSTMGraph(nn.Embedding(100, 96), 96, 2)
    assert sum(p.numel() for p in full.parameters()) < 300_000


@pytest.mark.parametrize("mode", ["P", "D"])
def test_slots_of_edges_are_another_set_of_gates(mode):
    layer = GraphPLSTM(8, 2, mode, slots=3).double()
    dag, x = ladder(), draw(8, 8)
    turned = DAG(dag.edges, slots=2 - dag.slots)
    assert not torch.allclose(layer(x, dag), layer(x, turned))
    layer(x, dag).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    model = PLSTMGraph(nn.Linear(8, 12), 12, 3, heads=2, slots=3)
    assert model(x.float(), dag).shape == (1, 3)


@pytest.mark.parametrize("mode", ["P", "D"])
@pytest.mark.parametrize("slots", [None, 3])
def test_states_of_a_head_are_turned_and_stay_bounded(mode, slots):
    j = Tracking(states=2, keys=2, values=1, queries=2, outputs=2)
    options = {"slots": slots, "tracking": j, "transition": "householder"}
    layer, dag = GraphPLSTM(8, 2, mode, **options).double(), ladder()
    x = draw(8, 8)
    layer(x, dag).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    gates = layer.directions[0]
    _, transition, _, edges = layer._gates(gates, dag, x, draw(10, 0))
    norms = torch.linalg.matrix_norm(transition, 2)
    assert norms.max() <= 1
    assert (transition[..., 0, 1] != 0).all()
    into = torch.zeros(2, edges.line.nodes, dtype=torch.float64)
    if mode == "P":
        assert into.index_add(1, edges.line.edges[0], norms).max() <= 1


@pytest.mark.parametrize("slots", [None, 3])
def test_queries_can_be_keys_and_gates_biases_only(slots):
    layer, dag, x = (
        GraphPLSTM(8, 2, slots=slots, tied=True, weights=False).double(),
        ladder(),
        draw(8, 8),
    )
    layer(x, dag).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
    free = GraphPLSTM(8, 2, slots=slots).double()
    with torch.no_grad():
        for name, parameter in free.named_parameters():
            given = dict(layer.named_parameters()).get(name)
            if name == "input.weight":
                parameter.copy_(torch.cat([given[:8], given]))
            else:
                parameter.copy_(torch.zeros_like(parameter) if given is None else given)
    torch.testing.assert_close(layer(x, dag), free(x, dag))


@pytest.mark.parametrize("slots", [None, 3])
def test_gates_of_a_head_can_read_its_own_features(slots):
    gates = GraphPLSTM(8, 2, slots=slots, block_diagonal=True).double().directions[0]
    dag, x = ladder(), draw(8, 8)
    other = x.clone()
    other[:, 4:] += 1
    none = draw(len(dag.edges[0]), 0)
    for gate, changed in zip(gates(x, none, dag), gates(other, none, dag), strict=True):
        torch.testing.assert_close(gate[:, 0], changed[:, 0])
        assert not gate[:, 1].isclose(changed[:, 1]).all()
    with pytest.raises(ArgumentError, match="leave out block_diagonal or weights=False"):
        GraphPLSTM(8, 2, slots=slots, block_diagonal=True, weights=False)


def test_the_form_of_a_call_is_told():
    layer, dag = GraphPLSTM(8, 2), ladder()
    (told,) = ost.explain(layer, torch.randn(8, 8), dag=dag).decisions
    assert (told.layer, told.chosen) == ("GraphPLSTM", "compiled")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match=r"edge_size=2 and slots=3\. Leave one of them out"):
        GraphPLSTM(8, 2, edge_size=2, slots=3)
    with pytest.raises(ArgumentError, match="leave out edge_size or block_diagonal=True"):
        GraphPLSTM(8, 2, edge_size=2, block_diagonal=True)
    with pytest.raises(ArgumentError, match="heads must divide the size 8"):
        GraphPLSTM(8, 3)
    for mode in ("Q", "PD", ""):
        with pytest.raises(ArgumentError, match=f"no mode '{mode}'"):
            GraphPLSTM(8, 2, mode)
    for directions in (0, 3):
        with pytest.raises(ArgumentError, match=f"must be 1 or 2; got {directions}"):
            GraphPLSTM(8, 2, directions=directions)
    with pytest.raises(ArgumentError, match="slots must be at least 1"):
        GraphPLSTM(8, 2, slots=0)
    for layer in (GraphPLSTM(8, 2), GraphPLSTM(8, 2, slots=3)):
        with pytest.raises(ShapeError, match=r"edge_x must be None, as edge_size=0; got \[4, 2\]"):
            layer(torch.randn(4, 8), ladder(2), torch.randn(4, 2))
    with pytest.raises(ShapeError, match=r"x must be \(4, 8\), one row .* got \[5, 8\]"):
        GraphPLSTM(8, 2)(torch.randn(5, 8), ladder(2))
    with pytest.raises(ShapeError, match=r"edge_x must be \(4, 2\); got None"):
        GraphPLSTM(8, 2, edge_size=2)(torch.randn(4, 8), ladder(2))
