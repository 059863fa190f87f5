"""Newton's method for the states of all steps of a nonlinear core together.

    h_t = f_t(h_{t−1}):   h'_t = f_t(h_{t−1}) + J_t (h'_{t−1} − h_{t−1}),   J_t = ∂f_t at h_{t−1}

Every iteration is one affine recurrence. Lim et al., "Parallelizing non-linear sequential models
over the sequence length", ICLR 2024, arXiv 2309.12252 (J); Danieli et al., "ParaRNN", arXiv
2510.21450 (blocks); Gonzalez et al., "Towards Scalable and Stable Parallelization of Nonlinear
RNNs", NeurIPS 2024, arXiv 2407.19115 (its diagonal, and damping). What takes the place of J may
also be 1 (Picard) or 0 (Jacobi), or be scaled by α: with any of them one more step is exact after
every iteration, if all of the correction is made (ω = 1).

Deviations: states are accepted by residual and last correction together, each row of a batch by
itself; damping shrinks with the residual of a row, unless `shrink` is False; and the gradient takes
J itself at the solution, whatever the method found the states with. Where too many elements depend
on each other for J, what stands for it finds the states alone, judged by corrections as small as
residuals, and the gradient takes products with J, step by step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.errors import EngineError
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State, rows_like
from ostinato.engines.parallel.damped import damped
from ostinato.engines.parallel.implicit import FirstOrder, Flow, Implicit
from ostinato.engines.parallel.linearise import METHODS, Method
from ostinato.engines.parallel.options import Newton
from ostinato.engines.parallel.recurrence import flow_back
from ostinato.engines.parallel.stepwise import flow_by_steps
from ostinato.engines.parallel.system import Maps, System

if TYPE_CHECKING:
    # What generates code is loaded where there is a device.
    from ostinato.engines.parallel.device.newton import Kernels

__papers__ = ("deer",)

# What a residual may be. The last correction, an estimate of the error before it is made, may be so
# many times as large.
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
        outcome: how it ended; of several rows that were not solved, the worst.
        residuals: largest element of h_t − f_t(h_{t−1}), relative to the larger of these two
            states where that is above 1, at the guess and after each iteration.
        first: the first step of the window.
        steps: how many there are.
        rows: of the batch.
        failed: the rows that were not solved.
        engine: the engine that evaluated these instead.
        form: generated code that ran the iterations, in words.
        measure: what `residuals` are, if they are something else.
        trace: the states at the guess and after each iteration, leaves (T, B, ...), if they were
            asked for.
    """

    outcome: Outcome
    residuals: tuple[float, ...]
    first: int = 0
    steps: int = 0
    rows: int = 0
    failed: tuple[int, ...] = ()
    engine: str | None = None
    form: str | None = None
    measure: str = "residual"
    trace: tuple[State, ...] = field(default=(), repr=False, compare=False)

    @property
    def iterations(self) -> int:
        """How often the states were replaced."""
        return len(self.residuals) - 1

    @property
    def residual(self) -> float:
        """The last one."""
        return self.residuals[-1]

    @property
    def solved(self) -> bool:
        """Whether all rows were."""
        return self.outcome is Outcome.CONVERGED

    def __str__(self) -> str:
        where = f"steps {self.first}…{self.first + self.steps - 1}"
        some = len(self.failed) not in (0, self.rows)
        which = f" in {len(self.failed)} of {self.rows} rows" if some else ""
        instead = f"; {'these ' * some}ran on {self.engine}" if self.engine else ""
        how = f"; {self.form}" if self.form else ""
        return (
            f"Newton, {where}: {self.outcome.value}{which} after {self.iterations} iterations, "
            f"{self.measure} {self.residual:.1e}{how}{instead}"
        )


class UnsolvedError(EngineError):
    """Newton's method did not converge.

    Args:
        solve: what became of the rows.
        states: of all rows, also those that are solved, leaves (T, B, ...).
    """

    def __init__(self, solve: Solve, states: Sequence[Tensor]) -> None:
        super().__init__(str(solve))
        self.solve, self.states = solve, states

    @property
    def failed(self) -> Tensor:
        """(B,) bool, the rows that were not solved."""
        failed = torch.zeros(self.solve.rows, dtype=torch.bool)
        failed[list(self.solve.failed)] = True
        return failed.to(self.states[0].device)


@torch.no_grad()
def iterate(system: System, options: Newton) -> tuple[list[Tensor], Maps, Solve]:
    """States (T, B, ...) of a system as near as they come, J and f there, and how near that is.

    Where J is too large, what stands for it.
    """
    guess = states = _guess(system, options)
    progress = _Progress(options, guess[0], _CORRECTION if system.holds_matrices else 1)
    trace, spec = list[State](), pytree.tree_structure(system.recurrence.init)
    while True:
        if options.trace:
            trace.append(pytree.tree_unflatten(states, spec))
        before = system.before(states)
        maps = system.linearise(before, options.jacobian)
        scales = _scales(system, before, states)
        values = system.held(system.part([f for _, f in maps]), before)
        gap = _largest(states, values, scales)
        new = _step(system, states, before, maps, options, gap.amax(0))
        change = _largest(new, states, scales).amax(0)
        stays = progress.note(gap.amax(0), change, _solved(system, gap <= progress.tolerance))
        whole = options.exact or not system.holds_matrices
        if stays.all() and (whole or not progress.converged.any()):
            maps = maps if whole else system.linearise(before)
            return states, maps, progress.solve(system.recurrence, trace=tuple(trace))
        if stays.all():
            # Only a full step tells how far off the states are, and has the gradient's J.
            options = options.to_exact()
            progress.resume()
            continue
        # NaN compares as false, so it begins again too.
        new = [torch.where(h.abs() < _ASTRAY, h, g) for h, g in zip(new, guess, strict=True)]
        states = _next(stays[None], states, new, options.relaxation)


def newton_states(system: System, options: Newton, solves: list[Solve]) -> list[Tensor]:
    """The states of a nonlinear system, with their gradient.

    The last iteration is made where autograd looks on, with J and the states that enter it held:
    its derivative is that of the implicit function theorem, one affine recurrence backwards.

    Args:
        system: the equations.
        options: how to solve them.
        solves: receives what became of it.

    Raises:
        UnsolvedError: if the states of a row are not accepted, and not to be kept all the same.
    """
    # Generated code keeps no states but the last.
    if system.kernels and options.exact and not options.trace:
        return _states_of_kernels(system, options, solves)
    found, maps, solve = iterate(system, options)
    _accept(solve, found, options, solves)
    before = [h.detach() for h in system.before(found)]
    if not system.holds_matrices:
        assert system.step is not None
        return _linked(system, found, partial(flow_by_steps, system.step, system.recurrence))
    if options.recompute:
        with torch.no_grad():
            states = system.solve(_offsets(system, before, maps, METHODS["full"]))
        return _linked(system, states, partial(_flow, system))
    values = system.gather(system.values(before))
    maps = [(a, f) for (a, _), f in zip(maps, values, strict=True)]
    states = system.solve(_offsets(system, before, maps, METHODS["full"]))
    return [FirstOrder.apply(h) for h in states]  # type: ignore[no-untyped-call]


def _linked(system: System, states: list[Tensor], flow: Flow) -> list[Tensor]:
    """States that were found, with the gradient of the equations that they solve."""
    if not torch.is_grad_enabled():
        return states
    before = system.before(states)
    values = system.held(system.values(before), before)
    held = Implicit.apply(flow, *before, *states, *values)  # type: ignore[no-untyped-call]
    return [FirstOrder.apply(h) for h in held]  # type: ignore[no-untyped-call]


def _flow(system: System, before: Sequence[Tensor], grads: Sequence[Tensor]) -> list[Tensor]:
    """λ, with J found again: T·n² numbers of all windows would have to be kept for it."""
    courses = system.courses(system.linearise(before))
    pairs = zip(courses, system.gather(grads), strict=True)
    return system.part([flow_back(course, a, grad) for (course, a, _, _), grad in pairs])


def _accept(solve: Solve, states: Sequence[Tensor], options: Newton, solves: list[Solve]) -> None:
    solves.append(solve)
    if not solve.solved and options.unsolved != "warn":
        raise UnsolvedError(solve, states)


def _states_of_kernels(system: System, options: Newton, solves: list[Solve]) -> list[Tensor]:
    """The same by generated code, which holds neither J nor b in memory."""
    from ostinato.engines.parallel.device.newton import flow, together

    kernels = system.kernels
    with torch.no_grad():
        guess = _guess(system, options)
        found, solve = iterate_on_device(kernels, [k.gather(guess) for k in kernels], options)
    states = together(kernels, found)
    _accept(solve, states, options, solves)
    return _linked(system, states, partial(flow, kernels))


def iterate_on_device(
    kernels: Sequence[Kernels], guess: Sequence[Tensor], options: Newton
) -> tuple[list[Tensor], Solve]:
    """For each group states (S, T, B, elements) as near as they come, and how near that is.

    Each iteration is followed by one look at three numbers a row: to run one more before these are
    known would cost more than the wait.
    """
    from ostinato.engines.parallel.device.newton import described

    states, steps = list(guess), guess[0].shape[1]
    progress = _Progress(options, guess[0][0])
    while True:
        found = [
            each.iterate(h, g, progress.tolerance)
            for each, h, g in zip(kernels, states, guess, strict=True)
        ]
        gap, change, left = torch.stack([figures for _, figures in found]).amax(0)
        new = [h for h, _ in found]
        stays = progress.note(gap, change, steps - left)
        if stays.all():
            return new, progress.solve(kernels[0].recurrence, described(kernels))
        states = _next(stays[None, None], states, new, options.relaxation)


def _next(
    stays: Tensor, states: Sequence[Tensor], new: Sequence[Tensor], relaxation: float
) -> list[Tensor]:
    """The way to new states, but the old ones where they stay: (..., B), first axes of a leaf."""
    if relaxation != 1:
        new = [torch.lerp(h, n, relaxation) for h, n in zip(states, new, strict=True)]
    if not stays.any():
        return list(new)
    stays = stays.to(new[0].device)
    return [torch.where(rows_like(stays, h), h, n) for h, n in zip(states, new, strict=True)]


def _guess(system: System, options: Newton) -> list[Tensor]:
    steps, given = system.recurrence.steps, options.begin(system.recurrence)
    if given is not None:
        return given
    return system.values([h.expand(steps, *h.shape) for h in system.init])


def _step(
    system: System,
    states: Sequence[Tensor],
    before: Sequence[Tensor],
    maps: Maps,
    options: Newton,
    residual: Tensor,
) -> list[Tensor]:
    """The states of the linearised system, damped by the residual of each row (B)."""
    method = options.jacobian
    if options.scale != 1:
        maps = [(options.scale * a, f) for a, f in maps]
    maps = _offsets(system, before, maps, method)
    if not options.damping:
        return system.solve(maps, method)
    residual = residual.clamp(max=1) if options.shrink else torch.ones_like(residual)
    damping = options.damping * residual
    pairs = zip(system.courses(maps, method), system.gather(states), strict=True)
    return system.part([damped(*each, near, damping, options.smooth) for each, near in pairs])


def _offsets(system: System, before: Sequence[Tensor], maps: Maps, method: Method) -> Maps:
    """J and f − J h, from J and f."""
    found = []
    for group, (a, f), h in zip(system.groups, maps, system.gather(before), strict=True):
        found.append((a, f - (a * h if method.pointwise else group.form.apply(a, h))))
    return found


def _scales(system: System, before: Sequence[Tensor], states: Sequence[Tensor]) -> list[Tensor]:
    """What differences of states are relative to, leaves (T, B, elements).

    That is the size of the states before and after a step. Units that do not depend on each
    other are as apart as rows are: a large one does not excuse a small one.
    """
    found = [
        _flat(torch.maximum(*map(torch.abs, pair))) for pair in zip(before, states, strict=True)
    ]
    for group in system.groups:
        for i in group.leaves:
            units = found[i].unflatten(-1, (group.heads, -1, group.columns))  # type: ignore[no-untyped-call]
            found[i] = (1 + units.amax(-2, keepdim=True)).expand_as(units).flatten(-3)
    return found


def _largest(a: Sequence[Tensor], b: Sequence[Tensor], scales: Sequence[Tensor]) -> Tensor:
    """The largest difference of states in every step (T, B), infinity where there is none."""
    triples = zip(a, b, scales, strict=True)
    found = [_flat(h - g).abs_().div_(scale).amax(2) for h, g, scale in triples]
    return torch.stack(found).amax(0).nan_to_num(math.inf, math.inf)


def _flat(leaf: Tensor) -> Tensor:
    """A leaf (T, B, ...) as (T, B, elements)."""
    return leaf.reshape(*leaf.shape[:2], -1)


def _solved(system: System, solved: Tensor) -> Tensor:
    """How many steps are solved up to the first one that is not, by row, from (T, B) bool."""
    solved = solved.flip(0) if system.recurrence.reverse else solved
    return solved.cumprod(0).sum(0)


class _Progress:
    """What the iterations have achieved so far, in each row.

    Args:
        options: of the method.
        states: like those of a leaf (T, B, ...).
        correction: how many times as large as a residual the last correction may be.
    """

    def __init__(self, options: Newton, states: Tensor, correction: int = _CORRECTION) -> None:
        self.tolerance = options.tolerance or TOLERANCE[states.dtype]
        self.correction = correction * self.tolerance
        self.most, self.residuals = options.iterations, list[float]()
        rows = states.shape[1]
        self.best = self.begin = torch.full((rows,), math.inf)
        self.longest, self.since = torch.full((rows,), -1), torch.zeros(rows, dtype=torch.long)
        self.converged = self.lost = torch.zeros(rows, dtype=torch.bool)

    def note(self, residual: Tensor, correction: Tensor, solved: Tensor) -> Tensor:
        """Take an iteration into account.

        Args:
            residual: (B,), of the states before the iteration.
            correction: (B,), that it makes.
            solved: (B,), how many steps from the first are solved: these stay solved, so that
                more of them are progress too.

        Returns:
            (B,) bool, the rows whose states stay from here on.
        """
        # One wait for the device instead of three.
        figures = torch.stack([residual, correction, solved.to(residual)]).cpu()
        self.figures = figures = figures.nan_to_num(math.inf, math.inf)
        residual, correction, solved = figures
        self.begin = self.begin if self.residuals else residual
        self.residuals.append(float(residual.max()))
        better = (residual < self.best) | (solved > self.longest)
        self.since = torch.where(better, 0, self.since + 1)
        self.best = torch.minimum(self.best, residual)
        self.longest = torch.maximum(self.longest, solved)
        near = (residual <= self.tolerance) & (correction <= self.correction)
        self.converged = self.converged | (near & ~self.lost)
        hopeless = (self.since >= _PATIENCE) | (len(self.residuals) > self.most)
        self.lost = self.lost | (hopeless & ~self.converged)
        return self.converged | self.lost

    def resume(self) -> None:
        """Go on with the rows that have converged, by another method."""
        self.converged, self.since = torch.zeros_like(self.converged), 0 * self.since

    def solve(
        self, recurrence: Recurrence, form: str | None = None, trace: tuple[State, ...] = ()
    ) -> Solve:
        """How it ended, when it did."""
        failed = tuple(self.lost.nonzero()[:, 0].tolist())
        return Solve(
            self._outcome(),
            tuple(self.residuals),
            first=recurrence.first,
            steps=recurrence.steps,
            rows=len(self.lost),
            failed=failed,
            form=form,
            trace=trace,
        )

    def _outcome(self) -> Outcome:
        residual, correction, _ = self.figures
        diverged = ~correction.isfinite() | (residual > self.begin.clamp(min=1))
        for outcome, rows in (
            (Outcome.DIVERGED, diverged),
            (Outcome.STALLED, self.since >= _PATIENCE),
            (Outcome.CAP, self.lost),
        ):
            if (rows & self.lost).any():
                return outcome
        return Outcome.CONVERGED
