"""What is written of an answer, quantity by quantity, beside that of the first column."""

from __future__ import annotations

from collections.abc import Callable

from ostinato.bench.sweep.entry import Entry

Write = Callable[[Entry, Entry | None], str]
"""The text of an answer, given that of the first column if there is one."""


def _time(entry: Entry, base: Entry | None) -> str:
    if entry.ms is None:
        return _missing(entry)
    text = f"{'' if entry.measured else '~'}{entry.ms:.3g}"
    if base is None or base.ms is None or base is entry:
        return text
    return f"{text} ({base.ms / entry.ms:.3g}×)"


def _peak(entry: Entry, base: Entry | None) -> str:
    if entry.peak is None:
        return _missing(entry)
    text = f"{entry.peak / 2**20:.1f}"
    if base is None or not base.peak or base is entry:
        return text
    return f"{text} ({entry.peak / base.peak:.2f})"


def _error(entry: Entry, base: Entry | None) -> str:
    return _missing(entry) if entry.error is None else f"{entry.error:.1e}"


def _parts(entry: Entry, base: Entry | None) -> str:
    told = ", ".join(f"{name} {error:.1e}" for name, error in entry.parts.items())
    return told or _missing(entry)


def _iterations(entry: Entry, base: Entry | None) -> str:
    return _missing(entry) if entry.iterations is None else str(entry.iterations)


def _each(entry: Entry, base: Entry | None) -> str:
    if entry.ms is None or not entry.iterations:
        return _missing(entry)
    return f"{entry.ms / entry.iterations:.3g}"


def _missing(entry: Entry) -> str:
    return "no" if entry.declined else "–"


WRITE: dict[str, Write] = {
    "ms": _time,
    "peak": _peak,
    "error": _error,
    "parts": _parts,
    "iterations": _iterations,
    "each": _each,
}

TITLES = {
    "ms": "milliseconds",
    "peak": "MiB",
    "error": "error",
    "parts": "errors",
    "iterations": "iterations",
    "each": "milliseconds of an iteration",
}
"""Above a table of the quantity, behind cell and mode."""

LEGENDS = {
    "ms": "Milliseconds of a pass, median of at most 9 after two others; in brackets how many "
    "times as fast as `{0}`. ~ marks what was extrapolated from a shorter sequence.",
    "peak": "MiB that a pass has at most beyond what is there before it; in brackets the part of "
    "what `{0}` has. On the CPU a lower estimate: room of the process that is used again does not "
    "count.",
    "error": "Error of outputs and gradients relative to those in float64, the largest.",
    "parts": "Errors of the output y, and of the gradients of what it is made of, relative to "
    "those in float64.",
    "iterations": "Iterations that Newton's method takes, the most of all windows of the pass.",
    "each": "Milliseconds of a pass for each of these iterations.",
    "roof": "Rates that a pass reaches with the least bytes and operations of its equations, in "
    "brackets as a share of the rate of a copy and of a product of matrices, measured in the same "
    "run; the last number is the least time by these ceilings over the measured one.",
}
"""What the numbers of a table are; {0} is its first column."""

ABSENT = "`no`: not taken by this column; –: no answer, see the notes; nothing: not asked yet."
"""What stands where there is no number."""
