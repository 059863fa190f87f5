"""`check_cell` finds cells that break the contract, each in the check that is about it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import ArgumentError, CellError, ShapeError


class Leaky(ost.Cell):
    input_size = 3

    def __init__(self):
        super().__init__()
        self.input = nn.Linear(3, 4)

    def initial_state(self, batch_size):
        return self.zeros(batch_size, 4)

    def update(self, x, h):
        return 0.9 * h + 0.1 * torch.tanh(self.input(x))

    def forward(self, x, h):
        h = self.update(x, h)
        return h, h


class MixesRows(Leaky):
    def update(self, x, h):
        return super().update(x, h) - h.mean(0)


class RemembersCalls(Leaky):
    calls = 0

    def update(self, x, h):
        self.calls += 1
        return super().update(x, h) + self.calls


class DependsOnMode(Leaky):
    def update(self, x, h):
        return super().update(x, h) * (2 if self.training else 1)


class Swapped(Leaky):
    def forward(self, x, h):
        h = self.update(x, h)
        return h, (h, h)


class CutsTheGraph(Leaky):
    def update(self, x, h):
        return super().update(x, h.detach())


class NativeByMistake(Leaky):
    """Says that torch's RNN has its equations, which is wrong."""

    def __init__(self):
        super().__init__()
        self.recur = nn.Linear(4, 4)

    def native(self):
        from ostinato.core.cell import Native

        return Native.of_linears("rnn_tanh", self.input, self.recur)


def test_a_good_cell_passes_and_is_not_changed():
    cell = Leaky()
    report = ost.check_cell(cell)
    assert not report.failures
    assert cell.input.weight.dtype == torch.float32
    assert "torch declines: torch has no module with the equations of Leaky" in str(report)
    assert "ragged = row by row" in str(report)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (MixesRows, "rows do not mix"),
        (MixesRows, "ragged = row by row"),
        (RemembersCalls, "step = sequence"),
        (DependsOnMode, "train = eval"),
        (NativeByMistake, "equals the reference"),
    ],
)
def test_broken_cells_are_found(broken, check):
    # Not every engine: a step that is another one at every call would be compiled at every call.
    report = ost.check_cell(broken(), engines_to_check=["reference", "torch"], throw=False)
    assert check in {failure.name for failure in report.failures}


def test_a_broken_contract_raises():
    with pytest.raises(CellError, match=r"(?s)breaks the contract of a cell.*rows do not mix"):
        ost.check_cell(MixesRows(), engines_to_check=["reference"])


def test_a_state_of_another_structure_is_an_error_that_names_both():
    with pytest.raises(ShapeError, match=r"state that Swapped returns is \(float"):
        ost.check_cell(Swapped())


def test_noise_is_held_fixed():
    from ostinato.wrap.zoneout import Zoneout

    assert not ost.check_cell(Zoneout(Leaky(), 0.5)).failures


def test_inputs_that_cannot_be_made_up():
    class Unsized(Leaky):
        input_size = None

    with pytest.raises(ArgumentError, match=r"pass x, a tensor or a tree of tensors \(3, 7"):
        ost.check_cell(Unsized())
    assert not ost.check_cell(Unsized(), torch.randn(3, 7, 3)).failures


def test_a_cut_graph_is_the_cells_own_business():
    """Detaching is legal (Elman's training): all engines must do the same."""
    assert not ost.check_cell(CutsTheGraph(), engines_to_check=["reference"], throw=False).failures
