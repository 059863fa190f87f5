"""The parallel engine: the states of all steps together, and from them what the step puts out.

A core that is affine in its carry is one affine recurrence, and differentiable any number of
times; any other is solved by Newton's method, window by window. A window that is not solved runs
on another engine.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from ostinato.compiler.fission import split
from ostinato.compiler.plan import PlanCache
from ostinato.compiler.stages import Stages, stages
from ostinato.compiler.structure import Structure, structure
from ostinato.compiler.tangent import tangent
from ostinato.compiler.trace import TraceError, drop_clips, trace
from ostinato.compiler.widen import wide, widen
from ostinato.core.errors import EngineError, OstinatoError
from ostinato.core.estimate import Estimate, on_device
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt, Engine, engines, note
from ostinato.core.state import State, index, leaves, map_state
from ostinato.core.statistics import report
from ostinato.engines import tuned
from ostinato.engines.autocast import autocast_inside
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.verify import disagreement, rounding
from ostinato.engines.parallel import contest
from ostinato.engines.parallel.evaluate import Plan, evaluate
from ostinato.engines.parallel.expected import History, expected
from ostinato.engines.parallel.linearise import LARGEST, TOGETHER, groups
from ostinato.engines.parallel.newton import Solve, UnsolvedError, newton_states
from ostinato.engines.parallel.options import Newton
from ostinato.engines.parallel.solves import current
from ostinato.engines.parallel.system import affine_states

logger = logging.getLogger("ostinato")
# Numbers in the Jacobians of one window. On the CPU many passes over them should stay in the cache,
# and few in memory that is given out again; a device is to be kept busy instead.
_NUMBERS, _NUMBERS_AFFINE, _NUMBERS_DEVICE = 2**19, 2**22, 2**24


class Parallel:
    """Solve for all steps together."""

    name = "parallel"
    summary = "all steps together: a scan if the core is affine in the state, else Newton's method"
    rank = 3

    def __init__(self) -> None:
        self._plans: PlanCache[Plan | str] = PlanCache(_plan)
        self._history = History()

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why the recurrence cannot be solved as a whole, or None."""
        reason = _unsupported(recurrence)
        if reason is not None:
            return reason
        plan = self._planned(recurrence)
        return plan if isinstance(plan, str) else _too_large(plan) or _clips(plan, recurrence)

    def _planned(self, recurrence: Recurrence) -> Plan | str:
        device = leaves(recurrence.init)[0].device.type
        recurrence = autocast_inside(_plain(recurrence), device)
        with torch.autocast(device, enabled=False):
            return self._plans.get(recurrence)

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """A step of unknown identity is traced at every call; Newton's method takes many passes."""
        if recurrence.identity is None and recurrence.steps < 1000:
            reason = "a plain function is traced anew at every call, which pays for long sequences"
            return Doubt(reason, -2)
        if _unsupported(recurrence) is None:
            plan = self._planned(recurrence)
            if isinstance(plan, Plan) and not plan.affine and not self._begins(plan, recurrence):
                return Doubt("not affine in the state; Newton's method has to be asked for", -3)
        return None

    def _begins(self, plan: Plan, recurrence: Recurrence) -> bool:
        """Whether Newton's method may begin without being asked: on a device, where it is hopeful.

        The host looks at every iteration, which no recording allows. And what is remembered of
        calls decides, so that it must not where all calls have to be alike.
        """
        if not on_device(recurrence) or tuned.deterministic() or not tuned.measuring():
            return False
        return self._history.iterations(recurrence, plan) is not None

    def estimate(self, recurrence: Recurrence) -> Estimate | None:
        """The time of a scan, or of as many as Newton's method took before, or may take."""
        plan = self._planned(recurrence)
        assert isinstance(plan, Plan)
        iterations = 1.0 if plan.affine else self._history.iterations(recurrence, plan)
        return None if iterations is None else expected(plan, recurrence, iterations)

    def faster(
        self, recurrence: Recurrence, rival: str, estimates: Mapping[str, Estimate]
    ) -> bool | None:
        """Whether Newton's method is, where estimates are near each other."""
        plan = self._planned(recurrence)
        assert isinstance(plan, Plan)
        iterations = self._history.iterations(recurrence, plan)
        times = {name: estimates[name].microseconds for name in (self.name, rival)}
        near = max(times.values()) <= contest.CLOSE * min(times.values())
        if plan.affine or iterations is None or not near or current() != Newton():
            return None
        candidates = {name: engines()[name] for name in sorted(times, key=times.__getitem__)}
        return contest.winner(plan, recurrence, candidates, iterations) == self.name

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs, leaves (T, ...)."""
        plan = self._planned(recurrence)
        assert isinstance(plan, Plan)
        device = leaves(recurrence.init)[0].device.type
        recurrence = autocast_inside(recurrence, device)
        with torch.autocast(device, enabled=False):
            return self._in_windows(plan, recurrence)

    def _in_windows(self, plan: Plan, recurrence: Recurrence) -> tuple[State, Any]:
        """Window after window."""
        if plan.obstacle is not None:
            note(plan.obstacle)
        for said in dict.fromkeys(str(group) for group in plan.groups if group.parted):
            note(said)
        if plan.block > LARGEST and torch.is_grad_enabled():
            note(f"gradient of the states: step by step, as J of {plan.block} elements is not held")
        carry, outputs = recurrence.init, list[Any]()
        options = Newton() if plan.affine else current()
        options.check(recurrence)
        for steps in _windows(plan, recurrence, options.window):
            part = replace(_cut(recurrence, steps), init=carry)
            if plan.affine:
                tell = None if outputs else note
                carry, ys = evaluate(plan, part, partial(affine_states, tell=tell))
            else:
                carry, ys = self._window(plan, part, options)
            outputs.append(ys)
        if len(outputs) == 1:
            return carry, outputs[0]
        in_order = outputs[:: -1 if recurrence.reverse else 1]
        return carry, map_state(lambda *parts: torch.cat(parts), *in_order)

    def _window(self, plan: Plan, part: Recurrence, options: Newton) -> tuple[State, Any]:
        """Some steps, by Newton's method; rows that it fails on, as the options say."""
        solves: list[Solve] = []
        try:
            result = self._solved(plan, part, options, solves)
        except UnsolvedError as error:
            self._tell(part, error.solve)
            raise EngineError(
                f"{part.name} was not solved: {error}. Give ost.newton shorter windows, more "
                "iterations or a better guess, or leave unsolved='error' out."
            ) from None
        solve = solves[0]
        if not solve.solved and options.unsolved == "sequential":
            solve = replace(solve, engine=self._next(part).name)
        if not solve.solved:
            logger.warning("engine %s on %s: %s", self.name, part.name, solve)
        self._tell(part, solve)
        return result

    def _solved(
        self, plan: Plan, part: Recurrence, options: Newton, solves: list[Solve]
    ) -> tuple[State, Any]:
        try:
            return evaluate(plan, part, partial(newton_states, options=options, solves=solves))
        except UnsolvedError as error:
            if options.unsolved == "error":
                raise
            failed, states = error.failed, error.states
        if failed.all():
            return self._next(part).run(part)
        good, bad = (rows.nonzero()[:, 0] for rows in (~failed, failed))
        # The rows that were accepted are accepted again, and get their gradient from themselves
        # alone: in the others a derivative may be no number.
        options = options if plan.block > LARGEST else options.to_exact()
        again = replace(options, guess=lambda _: [h[:, good] for h in states])
        found = self._solved(plan, _rows(part, good), again, solves)
        rest = self._next(part).run(_rows(part, bad))
        back = torch.cat([good, bad]).argsort()
        return (
            map_state(lambda a, b: torch.cat([a, b])[back], found[0], rest[0]),
            map_state(lambda a, b: torch.cat([a, b], 1)[:, back], found[1], rest[1]),
        )

    def _tell(self, part: Recurrence, solve: Solve) -> None:
        """Tell everybody what became of a window."""
        self._history.add(part, solve)
        report(solve)
        note(str(solve))

    def _next(self, recurrence: Recurrence) -> Engine:
        others = (engine for engine in engines().values() if engine.name != self.name)
        return next(engine for engine in others if engine.decline(recurrence) is None)


def _rows(recurrence: Recurrence, which: Tensor) -> Recurrence:
    """Some rows of a recurrence."""
    carries = {name: index(getattr(recurrence, name), which) for name in ("init", "fresh")}
    parts = {
        name: index(getattr(recurrence, name), (slice(None), which))
        for name in ("xs", "valid", "restart")
    }
    return replace(recurrence, **carries, **parts)


def _windows(plan: Plan, recurrence: Recurrence, size: int | None) -> Iterator[slice]:
    """Parts of the time, in the order in which they are run."""
    states = leaves(recurrence.init)
    # Kernels hold no Jacobians in memory.
    passes = 1 if plan.lowered else max(group.passes for group in plan.groups)
    if plan.block > LARGEST:
        # Of J no more is there at once.
        passes = min(passes, TOGETHER)
    each = sum(map(torch.numel, states)) * passes
    most = _NUMBERS_AFFINE if plan.affine else _NUMBERS
    most = most if states[0].device.type == "cpu" else _NUMBERS_DEVICE
    size = size or max(64, most // max(1, each))
    starts = range(0, recurrence.steps, size)
    for start in reversed(starts) if recurrence.reverse else starts:
        yield slice(start, min(start + size, recurrence.steps))


def _cut(recurrence: Recurrence, steps: slice) -> Recurrence:
    """Some steps of a recurrence."""
    if steps.stop - steps.start == recurrence.steps:
        return recurrence
    parts = {name: index(getattr(recurrence, name), steps) for name in ("xs", "valid", "restart")}
    count = steps.stop - steps.start
    return replace(recurrence, steps=count, first=steps.start, **parts)


def _plain(recurrence: Recurrence) -> Recurrence:
    """Without masks, which steer the scan and not the step."""
    if recurrence.valid is None and recurrence.restart is None:
        return recurrence
    return replace(recurrence, valid=None, restart=None, fresh=None)


def _unsupported(recurrence: Recurrence) -> str | None:
    """What about the call, not the step, stands in the way."""
    states = leaves(recurrence.init)
    if recurrence.checkpoint is not None:
        return "the states of all steps are found together, so that none can be left out"
    if not states or not all(leaf.is_floating_point() for leaf in states):
        return (
            "the state must be of real numbers; hold complex ones as two leaves, their real and "
            "imaginary parts (ostinato.cells.complex_pair)"
        )
    if len({leaf.dtype for leaf in states}) != 1:
        return "the state must be of one precision throughout"
    rows = {leaf.shape[0] for leaf in states if leaf.dim()} | {
        leaf.shape[1] for leaf in leaves(recurrence.xs) if leaf.dim() > 1
    }
    if any(leaf.dim() == 0 for leaf in states) or len(rows) != 1:
        return "the state and the inputs have no common batch axis"
    if recurrence.steps == 0 or rows == {0}:
        return "there are no steps, or no rows"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms need a step of torch operations"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward mode is used up by the derivatives of the step"
    return None


def _clips(plan: Plan, recurrence: Recurrence) -> str | None:
    """Why the gradient of a call cannot be found, where the step clips its own, or None."""
    if not plan.clipped or not torch.is_grad_enabled():
        return None
    given = (*leaves(recurrence.init), *leaves(recurrence.xs), *leaves(recurrence.fresh))
    if not any(tensor.requires_grad for tensor in (*given, *plan.tensors)):
        return None
    return (
        "the step clips a gradient, and those of all steps are found together by a linear "
        "recurrence, which a clip is not; without a gradient, as under torch.no_grad(), it is taken"
    )


def _plan(recurrence: Recurrence) -> Plan | str:
    """Trace, split, find the structure; or the reason why not."""
    module = recurrence.identity[0] if recurrence.identity else None
    if module is not None and any(map(_hooked, module.modules())):
        return "hooks on a module of the step would run only once, while it is traced"
    try:
        traced = trace(recurrence.step, recurrence.init, index(recurrence.xs, 0))
    except TraceError as error:
        return str(error)
    for node in traced.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return f"{node.target} draws random numbers inside the step; pass them in"
    clipped = drop_clips(traced)
    fission = split(traced)
    found = structure(fission)
    reason = _unsolvable(found)
    if reason is not None:
        return reason
    parts = stages(fission)
    widen(parts.core)
    plan = Plan(fission, parts, _tangent(parts, recurrence), groups(found), found.affine)
    plan = replace(plan, clipped=clipped)
    plan = _on_device(plan, recurrence)
    reason = _too_large(plan) if plan.affine else None
    if reason is not None:
        return reason
    # Of so few steps any method finds the states, and this one needs no J.
    options = Newton() if plan.block <= LARGEST else Newton("jacobi", unsolved="warn")
    solve = affine_states if found.affine else partial(newton_states, options=options, solves=[])
    try:
        run = partial(evaluate, plan, solve=solve)
        differs = disagreement(
            recurrence, plan.tensors, run, rounding(traced), gradients=not clipped
        )
        return differs or plan
    except OstinatoError as error:
        # Whoever runs the step will say so too.
        return f"the step breaks its contract: {error}"
    except LowerError as error:
        return f"no step can be taken out of all: {error}"


def _too_large(plan: Plan) -> str | None:
    """Why there is no A of so many elements, or None."""
    if plan.block <= LARGEST or (not plan.affine and current().jacobian.pointwise):
        return None
    reason = f"{plan.block} elements of the state depend on each other; up to {LARGEST} are solved"
    return reason if plan.affine else f"{reason}, any number by ost.newton('quasi')"


def _on_device(plan: Plan, recurrence: Recurrence) -> Plan:
    """With its cores in the language of generated code, where a device runs that."""
    from ostinato.engines.parallel.device import scan

    if not scan.available(leaves(recurrence.init)[0].device):
        return plan
    from ostinato.engines.parallel.device.newton import lowered

    try:
        return replace(plan, lowered=lowered(plan.fission, plan.groups))
    except LowerError as error:
        return replace(plan, obstacle=f"torch linearises the step: {error}")


def _tangent(parts: Stages, recurrence: Recurrence) -> fx.GraphModule:
    """Of the core, by the example of the first step."""
    fixed, carry = parts.constants(), leaves(recurrence.init)
    fed = parts.inputs(len(carry[0]), *pytree.tree_leaves(index(recurrence.xs, 0)), *fixed)
    return tangent(parts.core, *([wide(value) for value in each] for each in (carry, fed, fixed)))


def _unsolvable(found: Structure) -> str | None:
    """Why the structure of a core, affine or not, leaves nothing to be solved, or None."""
    reason = f" ({found.findings[0]})" if found.findings else ""
    if not found.rows_apart:
        return f"rows cannot be solved apart{reason}"
    if not found.affine and not found.verified:
        return f"the structure of the step is not known for sure{reason}"
    return None


def _hooked(module: nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return any((*hooks, module._backward_hooks, module._backward_pre_hooks))
