from __future__ import annotations

import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.compiler.fission import Kind, split
from ostinato.compiler.stages import stages
from ostinato.compiler.trace import trace


def operations(fission, kind):
    return [str(node.target).split(".")[1] for node in fission.of(kind) if "." in str(node.target)]


def test_what_needs_no_loop_is_found():
    linear, recur, head = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def step(h, x):
        h = torch.tanh(linear(x).relu() + recur(h))
        return h, head(h).sigmoid()

    fission = split(trace(step, torch.zeros(2, 4), torch.zeros(2, 3)))
    assert operations(fission, Kind.INPUT) == ["addmm", "relu"]
    assert operations(fission, Kind.CORE) == ["addmm", "add", "tanh"]
    assert operations(fission, Kind.OUTPUT) == ["addmm", "sigmoid"]
    assert operations(fission, Kind.CONSTANT) == ["permute"] * 3


def test_unused_work_is_dropped_and_a_passed_carry_is_core():
    def step(state, x):
        h, kept = state
        _ = torch.exp(h) * x
        return (h + x, kept), kept * 2

    fission = split(trace(step, (torch.zeros(2, 3), torch.zeros(2, 3)), torch.zeros(2, 3)))
    assert operations(fission, Kind.CORE) == ["add"]
    assert operations(fission, Kind.OUTPUT) == ["mul"]
    assert not operations(fission, Kind.INPUT)


def test_stages_put_together_are_the_step():
    for name in ("LSTM", "GRU", "LayerNormLSTM"):
        cell = make_cell(name, 3, 4)

        def step(h, x, cell=cell):
            return cell(x, h)[::-1]

        fission = split(trace(step, cell.initial_state(2), torch.zeros(2, 3)))
        parts, x = stages(fission), torch.randn(5, 3)
        carry = torch.utils._pytree.tree_leaves(cell.initial_state(5))
        constants = parts.constants()
        fed = parts.inputs(5, x, *constants)
        results = parts.core(5, *carry, *fed, *constants)
        new, exports = results[: len(carry)], results[len(carry) :]
        (y,) = parts.outputs(5, *exports, *fed, *constants)
        expected_y, expected = cell(x, cell.initial_state(5))
        torch.testing.assert_close(y, expected_y)
        for a, b in zip(new, torch.utils._pytree.tree_leaves(expected), strict=True):
            torch.testing.assert_close(a, b)


def test_gradients_flow_through_constants():
    cell = make_cell("GRU", 3, 4)
    fission = split(trace(lambda h, x: cell(x, h)[::-1], cell.initial_state(2), torch.zeros(2, 3)))
    sum(c.sum() for c in stages(fission).constants()).backward()
    assert all(parameter.grad is not None for parameter in cell.parameters())
