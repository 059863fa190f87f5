"""The forms that a loop can take on a device, and the choice among them.

*On chip* one program runs all steps of some rows, and multiplies with the whole matrices. In the
*alternating* form torch multiplies at every step, and kernels compute what lies between. In the
*persistent* form programs on all processors share the matrices and run all steps.

On a device the forms are timed, once for each kernel and class of sizes; elsewhere, and where
nothing may be measured, an estimate decides. Programs that wait for one another are timed with
OSTINATO_PERSISTENT=1 only, and taken where they were timed, or on demand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ostinato.engines.fused.device.port import Port
from ostinato.engines.fused.device.source import Source
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.fused.layout import LowerError

ON_CHIP, ALTERNATING, PERSISTENT = "on chip", "alternating", "persistent"
# A form that is estimated to take so many times as long as another is not worth compiling.
_HOPELESS = 8.0


class Form(Protocol):
    """A program in one form; what it cannot be asked raises a LowerError that says why."""

    def launched(self, precision: str, rows: int) -> list[tuple[Source, Tile]]:
        """Its kernels, and the part of each program by the estimate.

        Args:
            precision: of products.
            rows: B.
        """

    def step_time(self, precision: str, rows: int, replayed: bool) -> float:
        """Microseconds of a step by the estimate.

        Args:
            precision: of products.
            rows: B.
            replayed: whether what is launched at every step is replayed, not launched one by one.
        """

    def run(
        self,
        ports: dict[str, Port],
        constants: dict[str, Port],
        steps: int,
        rows: int,
        precision: str,
    ) -> None:
        """All steps.

        Args:
            ports: by name.
            constants: ports of constants.
            steps: T.
            rows: B.
            precision: of products.
        """


@dataclass(frozen=True)
class Choice:
    """A form, and why it was taken.

    Attributes:
        name: of the form.
        microseconds: that a step takes by estimate, by the names of forms that can be taken.
        measured: whether the forms were timed.
    """

    name: str
    microseconds: Mapping[str, float]
    measured: bool

    def __str__(self) -> str:
        told = (f"{name} {time:.0f} µs" for name, time in self.microseconds.items())
        how = "measured; " if self.measured else ""
        return f"form: {self.name} ({how}a step by estimate: {', '.join(told)})"


def step_times(
    forms: Mapping[str, Form], precision: str, rows: int, replayed: bool
) -> dict[str, float]:
    """Microseconds of a step by estimate, of the forms that can be taken.

    Args:
        forms: by name.
        precision: of products.
        rows: B.
        replayed: as in `Form.step_time`.

    Raises:
        LowerError: if none can be taken.
    """
    found, reasons = dict[str, float](), dict[str, LowerError]()
    for name, form in forms.items():
        try:
            found[name] = form.step_time(precision, rows, replayed)
        except LowerError as error:
            reasons[name] = error
    if not found.keys() - {PERSISTENT}:
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise LowerError(f"the loop fits in no form ({told})")
    return found


def contenders(times: Mapping[str, float], wanted: str | None) -> list[str]:
    """The forms to choose from, the one of the best estimate first, one that waits last.

    Args:
        times: of a step, by the names of forms that can be taken.
        wanted: take this form if it can be taken.
    """
    if wanted is not None and wanted in times:
        return [wanted]
    most = _HOPELESS * min(time for name, time in times.items() if name != PERSISTENT)
    near = [name for name, time in times.items() if time <= most]
    # Programs that wait for one another have not run on a device yet, and one that hangs there
    # would take the caller's process with it.
    if os.environ.get("OSTINATO_PERSISTENT") != "1" and PERSISTENT in near:
        near.remove(PERSISTENT)
    return sorted(near, key=lambda name: (name == PERSISTENT, times[name]))
