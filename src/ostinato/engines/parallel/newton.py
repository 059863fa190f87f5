"""Newton's method for the states of all steps of a nonlinear core together.

    h_t = f_t(h_{t−1}):   h'_t = f_t(h_{t−1}) + J_t (h'_{t−1} − h_{t−1}),   J_t = ∂f_t at h_{t−1}

Every iteration is one affine recurrence. Lim et al., "Parallelizing non-linear sequential models
over the sequence length", ICLR 2024, arXiv 2309.12252 (J); Danieli et al., "ParaRNN", arXiv
2510.21450 (blocks); Gonzalez et al., "Towards Scalable and Stable Parallelization of Nonlinear
RNNs", NeurIPS 2024, arXiv 2407.19115 (its diagonal, and damping). What takes the place of J may
also be 1 (Picard) or 0 (Jacobi): with any of them one more step is exact after every iteration.
Deviations: states are accepted by residual and last correction together, and the gradient takes J
itself at the solution, whatever the method found the states with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.errors import ArgumentError, EngineError
from ostinato.core.state import rows_like
from ostinato.engines.parallel.damped import damped
from ostinato.engines.parallel.implicit import FirstOrder, Implicit
from ostinato.engines.parallel.linearise import METHODS, Method
from ostinato.engines.parallel.options import Newton
from ostinato.engines.parallel.system import Maps, System

if TYPE_CHECKING:
    # What generates code is loaded where there is a device.
    from ostinato.engines.parallel.device.newton import Kernels

__papers__ = ("deer",)

# What a residual may be, relative to the largest state. The last correction, an estimate of the
# error before it is made, may be so many times as large.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
_CORRECTION = 100
# A state beyond this was led astray, and begins again from the guess.
_ASTRAY = 1e8
# Iterations without progress after which hope is given up.
_PATIENCE = 10


class Outcome(Enum):
    """How an attempt ended."""

    CONVERGED = "converged"
    STALLED = "stalled"
    DIVERGED = "diverged"
    CAP = "reached the cap"


@dataclass(frozen=True)
class Solve:
    """What became of one window.

    Attributes:
        outcome: how it ended.
        residuals: largest element of h_t − f_t(h_{t−1}), relative, at the guess and after each
            iteration.
        first: the first step of the window.
        steps: how many there are.
        engine: the engine that evaluated the window instead, if it was not solved.
        form: generated code that ran the iterations, in words.
        measure: what `residuals` are, if they are something else.
    """

    outcome: Outcome
    residuals: tuple[float, ...]
    first: int = 0
    steps: int = 0
    engine: str | None = None
    form: str | None = None
    measure: str = "residual"

    @property
    def iterations(self) -> int:
        """How often the states were replaced."""
        return len(self.residuals) - 1

    @property
    def residual(self) -> float:
        """The last one."""
        return self.residuals[-1]

    def __str__(self) -> str:
        where = f"steps {self.first}…{self.first + self.steps - 1}"
        instead = f"; ran on {self.engine}" if self.engine else ""
        how = f"; {self.form}" if self.form else ""
        return (
            f"Newton, {where}: {self.outcome.value} after {self.iterations} iterations, "
            f"{self.measure} {self.residual:.1e}{how}{instead}"
        )


class UnsolvedError(EngineError):
    """Newton's method did not converge."""


@torch.no_grad()
def iterate(system: System, options: Newton) -> tuple[list[Tensor], Maps, Solve]:
    """States (T, B, ...) of a system as near as they come, J and f there, and how near that is."""
    guess = states = _guess(system, options)
    progress = _Progress(options.tolerance or TOLERANCE[guess[0].dtype])
    while True:
        plain = options.method == "full" and not options.damping
        before = system.before(states)
        maps = system.linearise(before, options.jacobian)
        progress.residual(system, states, before, maps)
        shrunk = options.damping * min(1.0, progress.residuals[-1])
        new = _step(system, states, before, maps, options, shrunk)
        correction = max(map(_distance, new, states))
        ended = progress.ended(correction, options.iterations)
        if ended is not None and (ended is not Outcome.CONVERGED or plain):
            return states, maps, Solve(ended, tuple(progress.residuals), steps=len(states[0]))
        if ended is not None:
            # Only a full step tells how far off the states are, and has the gradient's J.
            options, new = replace(options, method="full", damping=0.0, smooth=False), states
        # NaN compares as false, so it begins again too.
        states = [torch.where(h.abs() < _ASTRAY, h, g) for h, g in zip(new, guess, strict=True)]


def newton_states(system: System, options: Newton, solves: list[Solve]) -> list[Tensor]:
    """The states of a nonlinear system, with their gradient.

    The last iteration is made where autograd looks on, with J and the states that enter it held:
    its derivative is that of the implicit function theorem, one affine recurrence backwards.

    Args:
        system: the equations.
        options: how to solve them.
        solves: receives what became of it.

    Raises:
        UnsolvedError: if the states are not accepted.
    """
    if system.kernels is not None and options.method == "full" and not options.damping:
        return _states_of_kernels(system, system.kernels, options, solves)
    found, maps, solve = iterate(system, options)
    _accept(solve, solves)
    before = [h.detach() for h in system.before(found)]
    values = system.gather(system.values(before))
    maps = [(a, f) for (a, _), f in zip(maps, values, strict=True)]
    states = system.solve(_offsets(system, before, maps, METHODS["full"]))
    return [FirstOrder.apply(h) for h in states]  # type: ignore[no-untyped-call]


def _accept(solve: Solve, solves: list[Solve]) -> None:
    solves.append(solve)
    if solve.outcome is not Outcome.CONVERGED:
        raise UnsolvedError(str(solve))


def _states_of_kernels(
    system: System, kernels: Kernels, options: Newton, solves: list[Solve]
) -> list[Tensor]:
    """The same by generated code, which holds neither J nor b in memory."""
    from ostinato.engines.parallel.device.newton import stacked

    with torch.no_grad():
        found, solve = iterate_on_device(kernels, stacked(_guess(system, options)), options)
    _accept(solve, solves)
    states = [h.reshape(len(h), *init.shape) for h, init in zip(found, system.init, strict=True)]
    if not torch.is_grad_enabled():
        return states
    before = system.before(states)
    values = system.held(system.values(before), before)
    held = Implicit.apply(kernels, stacked(before), *states, *values)  # type: ignore[no-untyped-call]
    return [FirstOrder.apply(h) for h in held]  # type: ignore[no-untyped-call]


def iterate_on_device(kernels: Kernels, guess: Tensor, options: Newton) -> tuple[Tensor, Solve]:
    """States (S, T, B, elements) as near as they come, and how near that is.

    Each iteration is followed by one look at four numbers: to run one more before these are
    known would cost more than the wait.
    """
    states, size = guess, float(guess.abs().max())
    progress = _Progress(options.tolerance or TOLERANCE[guess.dtype])
    while True:
        scale = 1 + size
        new, figures = kernels.iterate(states, guess, progress.tolerance * scale)
        gap, change, size, left = figures.tolist()
        progress.note(_finite(gap / scale), guess.shape[1] - int(left))
        ended = progress.ended(_finite(change / scale), options.iterations)
        if ended is not None:
            residuals, form = tuple(progress.residuals), str(kernels)
            return new, Solve(ended, residuals, steps=guess.shape[1], form=form)
        states = new


def _guess(system: System, options: Newton) -> list[Tensor]:
    steps, init = system.recurrence.steps, system.init
    if options.guess is None:
        return system.values([h.expand(steps, *h.shape) for h in init])
    given = pytree.tree_leaves(options.guess(system.recurrence))
    expected = [(steps, *h.shape) for h in init]
    if [tuple(g.shape) for g in given] != expected:
        raise ArgumentError(
            f"guess must return the states after all steps, leaves {expected}; got "
            f"{[tuple(g.shape) for g in given]}."
        )
    return [g.detach().to(h.dtype) for g, h in zip(given, init, strict=True)]


def _step(
    system: System,
    states: Sequence[Tensor],
    before: Sequence[Tensor],
    maps: Maps,
    options: Newton,
    damping: float,
) -> list[Tensor]:
    """The states of the linearised system, damped so much."""
    method = options.jacobian
    maps = _offsets(system, before, maps, method)
    if not damping:
        return system.solve(maps, method)
    pairs = zip(system.courses(maps, method), system.gather(states), strict=True)
    return system.part([damped(*each, near, damping, options.smooth) for each, near in pairs])


def _offsets(system: System, before: Sequence[Tensor], maps: Maps, method: Method) -> Maps:
    """J and f − J h, from J and f."""
    found = []
    for group, (a, f), h in zip(system.groups, maps, system.gather(before), strict=True):
        found.append((a, f - (a * h if method.pointwise else group.form.apply(a, h))))
    return found


def _distance(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest value of b; infinity where there is none."""
    return _finite(float((a - b).abs().max() / (1 + b.abs().max())))


def _finite(number: float) -> float:
    """A number, or infinity for what is none."""
    return number if math.isfinite(number) else math.inf


class _Progress:
    """What the iterations have achieved so far.

    Args:
        tolerance: of the residual.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance, self.residuals = tolerance, list[float]()
        self.best, self.solved, self.since = math.inf, -1, 0

    def residual(
        self, system: System, states: Sequence[Tensor], before: Sequence[Tensor], maps: Maps
    ) -> None:
        """Note how far the states are from solving the system."""
        valid, gaps = system.recurrence.valid, []
        triples = zip(system.gather(states), system.gather(before), maps, strict=True)
        for h, held, (_, f) in triples:
            new = f if valid is None else torch.where(rows_like(valid, f), f, held)
            gaps.append((h - new).abs().flatten(1).amax(1) / (1 + h.abs().max()))
        gap = torch.stack(gaps).amax(0)
        gap = (gap.flip(0) if system.recurrence.reverse else gap).nan_to_num(math.inf)
        above = (gap > self.tolerance).nonzero()
        # What was solved stays solved, so that a longer solved beginning is progress too.
        self.note(float(gap.max()), int(above[0]) if len(above) else len(gap))

    def note(self, residual: float, solved: int) -> None:
        """Note the residual, and how many steps from the first are solved."""
        self.residuals.append(residual)
        better = self.residuals[-1] < self.best or solved > self.solved
        self.since = 0 if better else self.since + 1
        self.best = min(self.best, self.residuals[-1])
        self.solved = max(self.solved, solved)

    def ended(self, correction: float, most: int) -> Outcome | None:
        """How it ended, if it did."""
        if self.residuals[-1] <= self.tolerance and correction <= _CORRECTION * self.tolerance:
            return Outcome.CONVERGED
        if self.since < _PATIENCE and len(self.residuals) <= most:
            return None
        if not math.isfinite(correction) or self.residuals[-1] > max(1.0, self.residuals[0]):
            return Outcome.DIVERGED
        return Outcome.STALLED if self.since >= _PATIENCE else Outcome.CAP
