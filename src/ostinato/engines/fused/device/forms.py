"""The forms that a loop can take on a device, and the choice among them.

*On chip* one program runs all steps of some rows, and multiplies with the whole matrices. In the
*alternating* form torch multiplies at every step, and kernels compute what lies between. In the
*persistent* form programs on all processors share the matrices and run all steps.

The choice is an estimate from the data sheet of an H100; it has not been measured on a device.
Programs that wait for one another have never run on one: that form is taken only on demand.
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.engines.fused.device.multiply import RESIDENT
from ostinato.engines.fused.device.segments import Division
from ostinato.engines.fused.device.source import Source
from ostinato.engines.fused.device.tiles import choose

ON_CHIP, ALTERNATING, PERSISTENT = "on chip", "alternating", "persistent"
# Elements of a block of a row that 16 rows leave registers for, and one row alone.
_WIDEST = {ON_CHIP: 2**11, ALTERNATING: 2**15}
MULTIPROCESSORS = 132
# Bytes that one multiprocessor reads from the second cache in a second, and all of them.
_READ, _READ_TOGETHER = 1e11, 4e12
# Seconds from one step on chip to the next; from one kernel or product to the next; of a barrier.
_STEP, _LAUNCHED, _REPLAYED, _MET = 2e-6, 3e-5, 3e-6, 2e-6


@dataclass(frozen=True)
class Form:
    """A form, and why it was taken.

    Attributes:
        name: of the form.
        seconds: that a step takes by estimate, by the names of forms that can be taken.
    """

    name: str
    seconds: dict[str, float]

    def __str__(self) -> str:
        told = (f"{name} {1e6 * seconds:.0f} µs" for name, seconds in self.seconds.items())
        return f"form: {self.name} (a step by estimate: {', '.join(told)})"


def choose_form(
    source: Source,
    division: Division,
    rows: int,
    replayed: bool,
    wanted: str | None = None,
    shared: bool = False,
) -> Form | None:
    """The form whose step is estimated to take the least time; None if none can be taken.

    Args:
        source: the kernel of the form on chip.
        division: the stages of a step, in the alternating form.
        rows: B.
        replayed: whether steps of the alternating form are replayed, not launched one by one.
        wanted: take this form if it can be taken.
        shared: whether the matrices can be shared, as in the persistent form.
    """
    weights = sum(matrix.size for matrix in {v.args[1] for v in division.products})
    size = 8 if source.real == "tl.float64" else 4
    tile = choose(source, rows)
    programs = tile.grid(rows, source.elements)
    waves = -(-programs[0] * programs[1] // MULTIPROCESSORS)
    read = 0 if source.products <= RESIDENT[source.precision] else source.products * size
    between = _REPLAYED if replayed else _LAUNCHED
    seconds = {ON_CHIP: waves * (_STEP + read / _READ)}
    if weights:
        together = weights * size / _READ_TOGETHER
        seconds[ALTERNATING] = len(division.stages) * between + together
    if weights and shared:
        seconds[PERSISTENT] = len(division.products) * _MET + together
    if not source.elements:
        wide = source.widest
        seconds = {n: s for n, s in seconds.items() if wide <= _WIDEST.get(n, wide)}
    if wanted in seconds:
        return Form(wanted, seconds)
    usual = [name for name in seconds if name != PERSISTENT]
    return Form(min(usual, key=seconds.__getitem__), seconds) if usual else None
