"""CfC cells wired as a neural circuit policy."""

from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells.wiring import auto_ncp
from ostinato.models.time.wired_cfc import WiredCfC

F64 = torch.float64


def test_the_contract_on_the_reference():
    cell = WiredCfC(auto_ncp(3, 6, 1))
    assert not ost.check_cell(cell, dtypes=[F64], engines_to_check=["reference"]).failures


def test_generated_code_takes_it_with_irregular_times(quick_compile):
    cell, x = WiredCfC(auto_ncp(3, 7, 2), dtype=F64), torch.randn(2, 5, 3, dtype=F64)
    elapsed = torch.rand(2, 5, 1, dtype=F64)
    found = ost.RNN(cell, "fused")((x, elapsed))[0]
    assert found.shape == (2, 5, 2)
    torch.testing.assert_close(found, ost.RNN(cell, "reference")((x, elapsed))[0])


def test_an_input_reaches_the_units_that_it_is_joined_with():
    wiring = auto_ncp(6, 20, 3, 0.6)
    cell = WiredCfC(wiring, dtype=F64)
    with torch.no_grad():
        for inner in cell.cells:
            inner.recur.weight.zero_()
            inner.input.parametrizations.weight.original[2 * inner.hidden_size :] = 0  # gates
    x, state = torch.randn(1, 6, dtype=F64), cell.initial_state(1)
    reached = torch.autograd.functional.jacobian(lambda x: cell(x, state)[1][0], x)[0, :, 0] != 0
    assert torch.equal(reached, wiring.sensory[wiring.span("inter")].bool())


def test_only_the_gates_of_pure_cells_are_missing():
    cell = WiredCfC(auto_ncp(3, 8, 2), mode="pure")
    assert [c.input.weight.shape[0] for c in cell.cells] == [c.hidden_size for c in cell.cells]
    assert all((c.input.weight == 0).any() for c in cell.cells[:1])
