"""The public contract of a cell, checked on any cell and every engine: `check_cell`.

The checks themselves are in `contract_checks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from ostinato.core.cell import Cell
from ostinato.core.errors import CellError, EngineError
from ostinato.core.registry import engines
from ostinato.over.contract_checks import CHECKS, REFERENCE_CHECKS, Pair, Subject

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


@dataclass(frozen=True)
class Check:
    """One line of the contract, on one engine.

    Attributes:
        name: what was checked.
        engine: on which engine.
        dtype: in which precision.
        error: largest relative difference found.
        problem: what is wrong, or None.
        declined: why the engine takes no such call, or None.
    """

    name: str
    engine: str
    dtype: str
    error: float = 0.0
    problem: str | None = None
    declined: str | None = None

    def __str__(self) -> str:
        verdict = self.problem or (f"declined: {self.declined}" if self.declined else "ok")
        return f"{self.name:<34} {self.engine:<10} {self.dtype:<8} {self.error:8.1e}  {verdict}"


@dataclass(frozen=True)
class ContractReport:
    """All checks of a cell; `print` it for a table.

    Attributes:
        cell: name of the cell.
        checks: the checks in the order in which they ran.
    """

    cell: str
    checks: tuple[Check, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if check.problem)

    def __str__(self) -> str:
        lines = [f"contract of {self.cell}"]
        for engine in dict.fromkeys(check.engine for check in self.checks):
            checks = [check for check in self.checks if check.engine == engine]
            reasons = {check.declined for check in checks}
            if len(reasons) == 1 and checks[0].declined:
                lines.append(f"{engine} declines: {checks[0].declined}")
            else:
                lines += map(str, checks)
        return "\n".join(lines)


def check_cell(
    cell: Cell,
    x: Any = None,
    *,
    engines_to_check: Iterable[str] | None = None,
    dtypes: Iterable[torch.dtype] = (torch.float64, torch.float32),
    throw: bool = True,
) -> ContractReport:
    """Check a cell of one's own against the contract that all cells of ostinato keep.

    Outputs, states and gradients agree between engines; a step equals the same step of a
    sequence; ragged rows equal single ones; NaN in padding reaches nothing; resets equal
    separate sequences; T may be 0, 1 or odd and B may be 1; inputs need not be contiguous;
    recomputed steps give equal gradients; rows do not mix; second derivatives and
    torch.func transforms work on the reference engine.

    Args:
        cell: the cell; it is copied, not changed.
        x: an input (3, 7, ...) or a tree of such tensors; None: random (3, 7, input_size).
        engines_to_check: names of engines; None: all that `auto` may take. One that declines is
            noted, not failed.
        dtypes: precisions; float64 must agree to 1e-10, float32 to 1e-4, relatively.
        throw: raise if a check fails.

    Returns:
        The report.

    Raises:
        CellError: with the failed checks, if `throw`.
        ArgumentError: if x is None and the cell names no `input_size`.
    """
    known = [name for name, engine in engines().items() if engine.rank >= 0]
    names = list(engines_to_check or known)
    checks = []
    for dtype in dtypes:
        subject = Subject(cell, x, dtype)
        for name in names:
            checks += [_run(check, subject, name) for check in CHECKS]
        checks += [_run(check, subject, "reference") for check in REFERENCE_CHECKS]
    report = ContractReport(type(cell).__name__, tuple(checks))
    if throw and report.failures:
        lines = "\n".join(str(check) for check in report.failures)
        raise CellError(
            f"{report.cell} breaks the contract of a cell in {len(report.failures)} of "
            f"{len(checks)} checks:\n{lines}"
        )
    return report


def _run(name: str, subject: Subject, engine: str) -> Check:
    """One check, whose failure of any kind becomes a line of the report."""
    place = (name, engine, str(subject.dtype).removeprefix("torch."))
    try:
        with torch.random.fork_rng(devices=[]):
            found, expected = (CHECKS | REFERENCE_CHECKS)[name](subject, engine)
    except EngineError as error:
        return Check(*place, declined=str(error).split(": ", 1)[-1].split(". Engines")[0])
    except Exception as error:
        return Check(*place, problem=f"{type(error).__name__}: {error}")
    return _compare(place, (found, expected), TOLERANCE[subject.dtype])


def _compare(place: tuple[str, str, str], pair: Pair, tolerance: float) -> Check:
    worst = 0.0
    for a, b in zip(*pair, strict=True):
        if a.shape != b.shape:
            return Check(*place, problem=f"shapes differ: {list(a.shape)}, {list(b.shape)}")
        scale = max(1.0, float(b.detach().abs().max()) if b.numel() else 1.0)
        error = float((a - b).detach().abs().max()) / scale if a.numel() else 0.0
        # NaN compares as false with everything, so it must be asked for.
        worst = error if error != error else max(worst, error)
        if not worst <= tolerance:
            return Check(*place, worst, f"differs by more than {tolerance:g}")
    return Check(*place, worst)
