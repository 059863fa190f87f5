"""Generated code over levels of rows that wait for one another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.over.dag import DAG
from ostinato.over.graph import graph_scan

pytestmark = pytest.mark.usefixtures("quick_compile")

F64 = torch.float64
# Levels of 4, 1, 2 and 1 rows; two of them have no neighbours; one edge is there twice.
EDGES = torch.tensor([[0, 1, 3, 3, 4, 5, 5], [3, 3, 4, 5, 6, 6, 6]])
NODES = 8


def on_both_engines(cell, reduce="sum", train=True):
    """Values and gradients."""
    generator, start = torch.Generator().manual_seed(0), cell.initial_state(NODES)

    def draw(*shape):
        drawn = torch.randn(*shape, dtype=F64, generator=generator)
        return drawn.requires_grad_(train)

    x = draw(NODES, 3)
    init = draw(*start.shape) if torch.is_tensor(start) else tuple(draw(*s.shape) for s in start)
    found = []
    for engine in ("reference", "fused"):
        y, h = graph_scan(cell, DAG(EDGES, NODES), x, init=init, reduce=reduce, engine=engine)
        states = [h] if torch.is_tensor(h) else list(h)
        grads = ()
        if train:
            loss = y.sin().sum() + sum((i + 2) * s.square().sum() for i, s in enumerate(states))
            begun = [init] if torch.is_tensor(init) else list(init)
            grads = torch.autograd.grad(loss, [*cell.parameters(), x, *begun])
        found.append([y, *states, *grads])
    return found


@pytest.mark.parametrize("name", ["GRU", "LSTM", "LayerNormLSTM", "MinGRU", "GatedLinearAttention"])
def test_values_and_all_gradients(name):
    torch.manual_seed(0)
    expected, found = on_both_engines(make_cell(name, 3, 4).to(F64), "mean")
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_without_gradients():
    with torch.no_grad():
        expected, found = on_both_engines(make_cell("LSTM", 3, 4).to(F64), train=False)
    torch.testing.assert_close(found, expected)


def test_second_derivatives():
    cell, dag = make_cell("GRU", 2, 2).to(F64), DAG(EDGES, NODES)
    x = torch.randn(NODES, 2, dtype=F64, requires_grad=True)
    start = cell.initial_state(NODES)

    def run(x):
        return graph_scan(cell, dag, x, init=start, reduce="mean", engine="fused")

    assert torch.autograd.gradgradcheck(run, (x,))


def test_gradients_of_the_caller_are_left_alone():
    """States are summed up along the edges, not in the tensor that was handed in."""
    cell, dag, x = make_cell("GRU", 2, 2), DAG(EDGES, NODES), torch.randn(NODES, 2)
    _, h = graph_scan(cell, dag, x, init=cell.initial_state(NODES), engine="fused")
    given = torch.ones(NODES, 2)
    torch.autograd.grad(h, list(cell.parameters()), given)
    assert given.eq(1).all()


def test_a_step_under_autocast_keeps_the_states_precision():
    class Step(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Linear(4, 4)

        def forward(self, x, h):
            h = torch.tanh(self.w(h) + x)
            return h, h.float()

    step, x, dag = Step(), torch.randn(NODES, 4), DAG(EDGES, NODES)
    init = torch.zeros(NODES, 4)
    exact = graph_scan(step, dag, x, init=init, engine="reference")[1]
    with torch.autocast("cpu", torch.bfloat16):
        _, h = graph_scan(step, dag, x, init=init, engine="fused")
    assert h.dtype == torch.float32
    torch.testing.assert_close(h, exact, atol=5e-2, rtol=0)
