"""What a step of learning costs: whatever went before, and against other ways to the gradient.

One eLSTM, a batch of 8, D = 32, one step at a time: forward, loss, gradient of all parameters.

- *BPTT*: the same gradient of the same step's loss by going back to the first step, which is what
  sensitivities spare: its time grows with the steps.
- *truncated*: the gradient of the one step, by the same engine.
- *Jacobians*: the sensitivities by torch.func, ∂c/∂θ of every row by `jacfwd` in c and `jacrev` in
  θ, kept dense as they come. In the published form for any net; nothing in it knows of structure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, jacfwd, jacrev, vmap

from ostinato.cells.elstm import ELSTMCell
from ostinato.core.state import leaves
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.time import RNN
from ostinato.train.rtrl.learner import RTRL

MEMORY = Claim("numbers carried at the last step / at the first", "1 (constant)", at_most=1)
STEADY = Claim("time of a late step / of an early one", "1 (constant)", at_most=1.3)
GENERIC = Claim("time by dense Jacobians / RTRL, a step", "N times as much work", at_least=10)
LESS = Claim("time of a truncated step / RTRL", "– (RTRL costs more)", at_least=0.2)
CLAIMS = (MEMORY, STEADY, GENERIC, LESS)

_ROWS, _INPUTS = 8, 32


@dataclass(frozen=True)
class Size:
    """What is timed.

    Attributes:
        units: N.
        steps: how many steps are learned online.
        back: how many steps BPTT goes back.
        repeats: medians are over so many.
    """

    units: int
    steps: int
    back: tuple[int, ...]
    repeats: int


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Time all of it in turn, for the seeds 0 … seeds−1."""
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    ours, theirs = [], []
    for seed in track(range(seeds), "speed"):
        torch.manual_seed(seed)
        cell = ELSTMCell(_INPUTS, size.units, output_gate=False)
        online, truncated, dense = Online(cell), Online(cell, "truncated"), Dense(cell)
        first = online.numbers()
        slow = _alternating([online.step, dense.step], max(1, size.repeats // 10))
        for _ in range(size.steps):
            online.step()
        # Both in turn: a processor is not as fast now as it was some thousand steps ago.
        late, early, short = _alternating(
            [online.step, Online(cell).step, truncated.step], size.repeats
        )
        values[MEMORY].append(online.numbers() / first)
        values[STEADY].append(late / early)
        values[GENERIC].append(slow[1] / slow[0])
        values[LESS].append(short / late)
        ours.append([1e3 * late] * len(size.back))
        theirs.append([1e3 * _back(cell, steps, size.repeats) for steps in size.back])
    curves = [Curve("RTRL", size.back, ours), Curve("BPTT to the first step", size.back, theirs)]
    return Measurement(values, [Panel("steps so far", "time of a learning step (ms)", curves)])


class Online:
    """Learning a step at a time."""

    def __init__(self, cell: ELSTMCell, method: str = "exact") -> None:
        self.cell, self.learner = cell, RTRL(RNN(cell), method)
        self.carried: Any = None
        self.step()

    def step(self) -> None:
        """One step of a stream, and the gradient of its loss."""
        y, self.carried = self.learner(torch.randn(_ROWS, 1, _INPUTS), self.carried)
        self.gradient = torch.autograd.grad(y.square().mean(), list(self.cell.parameters()))

    def numbers(self) -> int:
        """How many numbers are carried."""
        return sum(leaf.numel() for leaf in leaves(tuple(self.carried)))


class Dense:
    """Sensitivities by Jacobians of the step, ∂c/∂θ (B, N, ...) for every parameter."""

    def __init__(self, cell: ELSTMCell) -> None:
        self.cell, self.theta = cell, dict(cell.named_parameters())
        self.c = torch.zeros(_ROWS, cell.hidden_size)
        like = {name: p.detach() for name, p in self.theta.items()}
        self.kept = {n: p.new_zeros(*self.c.shape, *p.shape) for n, p in like.items()}

        def new(theta: dict[str, Tensor], c: Tensor, x: Tensor) -> Tensor:
            found: Tensor = functional_call(cell, theta, (x[None], c[None]))[1][0]
            return found

        self.new = vmap(new, (None, 0, 0))
        self.by_state = vmap(jacfwd(new, 1), (None, 0, 0))
        self.by_parameters = vmap(jacrev(new, 0), (None, 0, 0))

    def step(self) -> None:
        """One step of a stream, and the gradient of its loss."""
        theta, x = {n: p.detach() for n, p in self.theta.items()}, torch.randn(_ROWS, _INPUTS)
        j, immediate = self.by_state(theta, self.c, x), self.by_parameters(theta, self.c, x)
        self.c = self.new(theta, self.c, x)
        for name, s in self.kept.items():
            moved = torch.bmm(j, s.flatten(2)).view_as(s)
            self.kept[name] = moved + immediate[name]
        error = 2 * self.c / self.c.numel()
        self.gradient = {n: torch.einsum("bk,bk...->...", error, s) for n, s in self.kept.items()}


def _back(cell: ELSTMCell, steps: int, repeats: int) -> float:
    """Seconds to go back to the first of so many steps."""
    rnn, x = RNN(cell), torch.randn(_ROWS, steps, _INPUTS)

    def step() -> None:
        torch.autograd.grad(rnn(x)[0][:, -1].square().mean(), list(cell.parameters()))

    step()
    return _alternating([step], max(1, repeats // 10))[0]


def _alternating(actions: list[Callable[[], None]], repeats: int) -> list[float]:
    """The median seconds of each on one processor, waiting for others not counted, in turn."""
    seconds: list[list[float]] = [[] for _ in actions]
    for _ in range(repeats):
        for action, taken in zip(actions, seconds, strict=True):
            begin = time.process_time()
            action()
            taken.append(time.process_time() - begin)
    return [median(taken) for taken in seconds]
