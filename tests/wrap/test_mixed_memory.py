from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import CfCCell, LSTMCell, LTCCell
from ostinato.core.errors import ArgumentError
from ostinato.wrap import MixedMemory, Zoneout

F64 = torch.float64


def mixed(size: int = 4) -> MixedMemory:
    return MixedMemory(CfCCell(3, size), LSTMCell(3, size, forget_bias=1.0)).double()


def test_the_memory_first_then_the_cell() -> None:
    cell, x = mixed(), torch.randn(2, 3, dtype=F64)
    h, c = torch.randn(2, 4, dtype=F64), torch.randn(2, 4, dtype=F64)
    _, (between, memory) = cell.memory(x, (h, c))
    y, state = cell.cell(x, between)
    found, (new_h, new_c) = cell(x, (h, c))
    torch.testing.assert_close((found, new_h, new_c), (y, state, memory))


def test_the_time_is_for_the_cell_only() -> None:
    cell, x, elapsed = mixed(), torch.randn(2, 3, dtype=F64), torch.rand(2, 1, dtype=F64)
    state = cell.initial_state(2)
    _, (_, timed) = cell((x, elapsed), state)
    _, (_, plain) = cell(x, state)
    torch.testing.assert_close(timed, plain)
    assert not torch.equal(cell((x, elapsed), state)[0], cell(x, state)[0])


def test_noise_of_both_is_drawn() -> None:
    cell = MixedMemory(Zoneout(CfCCell(3, 4), 0.5), Zoneout(LSTMCell(3, 4), 0.5))
    own, inner = cell.sample_noise(2, 5)
    assert own is not None
    assert inner is not None
    ost.RNN(cell, "reference")(torch.randn(2, 5, 3))


@pytest.mark.parametrize("make", [CfCCell, LTCCell])
def test_contract(make, quick_compile) -> None:
    cell = MixedMemory(make(3, 4), LSTMCell(3, 4))
    assert not ost.check_cell(cell, torch.randn(3, 7, 3), dtypes=(F64,)).failures


def test_states_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"got .*\[1, 4\].* and .*\[1, 5\]"):
        MixedMemory(CfCCell(3, 4), LSTMCell(3, 5))
    with pytest.raises(ArgumentError, match="an LSTMCell as memory"):
        MixedMemory(CfCCell(3, 4), CfCCell(3, 4))
