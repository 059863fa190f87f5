from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.gru import GRUCell
from ostinato.core.state import map_state
from ostinato.wrap.attend import Attend

F64 = torch.float64
VALID = torch.tensor([[True] * 4, [True, False, True, False], [False, True, True, True]])


def attended(steps=7):
    """A cell, an input of every step, and what it attends to at every step."""
    cell = Attend(GRUCell(3 + 4, 5, dtype=F64), memory_size=4, attention_size=6)
    values = torch.randn(3, 4, 4, dtype=F64)
    memory = map_state(lambda leaf: leaf.detach(), cell.remember(values, VALID))
    every = map_state(lambda leaf: leaf[:, None].expand(-1, steps, *leaf.shape[1:]), memory)
    return cell, torch.randn(3, steps, 3, dtype=F64), memory, every


def test_a_step_by_its_equations():
    cell, x, memory, _ = attended()
    h = torch.randn(3, 5, dtype=F64)
    y, new = cell((x[:, 0], memory), h)
    for row in range(3):
        places = VALID[row].nonzero().flatten()
        inner = memory.keys[row, places] + cell.query.weight @ h[row]
        share = (torch.tanh(inner) @ cell.score.weight[0]).softmax(0)
        mixture = share @ memory.values[row, places]
        expected, _ = cell.cell(torch.cat([x[row, 0], mixture])[None], h[row : row + 1])
        torch.testing.assert_close(y[row], torch.cat([expected[0], mixture]))
        torch.testing.assert_close(new[row], expected[0])


def test_weights_are_shares_of_the_places_that_exist():
    cell, _, memory, _ = attended()
    weights = cell.weights(memory, torch.randn(3, 5, dtype=F64))
    torch.testing.assert_close(weights.sum(1), torch.ones(3, dtype=F64))
    assert not weights[~VALID].any()


def test_the_contract_on_the_reference():
    cell, x, _, every = attended()
    ost.check_cell(cell, (x, every), engines_to_check=["reference"], dtypes=[F64])


@pytest.mark.slow
def test_the_contract_on_every_engine():
    cell, x, _, every = attended()
    report = ost.check_cell(cell, (x, every))
    taken = {check.engine for check in report.checks if not check.declined}
    assert taken == {"reference", "fused", "parallel"}


def test_generated_code_agrees(quick_compile):
    cell, x, _, every = attended(steps=3)
    results = []
    for engine in ("reference", "fused"):
        y, _ = ost.RNN(cell, engine)((x, every))
        wanted = [p for name, p in cell.named_parameters() if not name.startswith("key")]
        results.append([y, *torch.autograd.grad(y.square().sum(), wanted)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)
