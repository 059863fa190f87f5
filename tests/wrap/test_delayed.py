"""Recurrences that read several earlier outputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves
from ostinato.wrap import Delayed

SHIFTS = (1, 3, 4)


class Mixing(nn.Module):
    """A matrix for each earlier output."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Linear(3, 2)
        self.recur = nn.ModuleList([nn.Linear(2, 2, bias=False) for _ in SHIFTS])

    def forward(self, x: torch.Tensor, *earlier: torch.Tensor) -> torch.Tensor:
        pairs = zip(self.recur, earlier, strict=True)
        return torch.tanh(self.input(x) + sum(matrix(y) for matrix, y in pairs))


class Elementwise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.input, self.weight = nn.Linear(3, 5), nn.Parameter(torch.randn(2, 5) / 2)

    def forward(self, x: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.input(x) + self.weight[0] * one + self.weight[1] * two)


def with_input_size(cell: Delayed) -> Delayed:
    cell.input_size = 3
    return cell


def loop(cell: Delayed, x: torch.Tensor) -> torch.Tensor:
    zero = x.new_zeros(len(x), cell.hidden_size)
    y: list[torch.Tensor] = []
    for t in range(x.shape[1]):
        y.append(cell.function(x[:, t], *(y[t - s] if t >= s else zero for s in cell.shifts)))
    return torch.stack(y, 1)


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_it_is_the_plain_loop(engine: str) -> None:
    cells = Delayed(Mixing(), SHIFTS, 2), Delayed(Elementwise(), (2, 5), 5)
    for cell in map(Delayed.double, cells):
        x = torch.randn(2, 33, 3, dtype=torch.float64, requires_grad=True)
        wanted = [x, *cell.parameters()]
        runs = []
        with ost.newton() as solves:
            for y in (ost.RNN(cell, engine)(x)[0], loop(cell, x)):
                runs.append([y, *torch.autograd.grad(y.square().sum(), wanted)])
        assert len(solves) == (engine == "parallel")
        assert all(solve.engine is None for solve in solves)
        for ours, theirs in zip(*runs, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_the_state_continues_a_sequence() -> None:
    rnn, x = ost.RNN(Delayed(Mixing(), SHIFTS, 2)), torch.randn(2, 9, 3)
    whole, end = rnn(x)
    first, state = rnn(x[:, :2])
    rest, last = rnn(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    torch.testing.assert_close(leaves(last), leaves(end))
    assert torch.equal(end[0], whole[:, -1])
    assert torch.equal(end[3], whole[:, -4])


def test_contract() -> None:
    cell = with_input_size(Delayed(Mixing(), SHIFTS, 2))
    report = ost.check_cell(cell, dtypes=[torch.float64], engines_to_check=["reference", "fused"])
    assert not report.failures


@pytest.mark.parametrize("shifts", [(), (0, 2)])
def test_shifts_are_checked(shifts: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="each at least 1"):
        Delayed(Mixing(), shifts, 2)
