"""From which head size on another is faster than generated code that stays on chip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from ostinato.bench.sweep.entry import Entry, Question, Spot

_OURS = "on chip"


def crossovers(
    spots: Sequence[Spot], engines: Sequence[str], modes: Sequence[str], entries: Sequence[Entry]
) -> Iterator[tuple[str, ...]]:
    """Cell, rows and steps, mode, rival, and the head size in words; of all that was measured.

    A rival without heads counts with its time for one head of all units.

    Args:
        spots: those of a table.
        engines: its columns.
        modes: its modes.
        entries: its answers.
    """
    known = {entry.question: entry for entry in entries}
    rivals = [name for name in engines if name not in ("reference", "fused", _OURS)]
    groups: dict[tuple[str, int, int, int], list[Spot]] = {}
    for spot in spots:
        groups.setdefault((spot.cell, spot.hidden, spot.batch, spot.steps), []).append(spot)
    for (cell, _, batch, steps), group in groups.items():
        group.sort(key=_size)
        for mode, rival in product(modes, rivals):
            found = [(_size(spot), _wins(spot, group[-1], rival, mode, known)) for spot in group]
            sizes = [(size, wins) for size, wins in found if wins is not None]
            if len(sizes) > 1:
                yield cell, f"B={batch}, T={steps}", mode, rival, _in_words(sizes)


def _wins(
    spot: Spot, whole: Spot, rival: str, mode: str, known: Mapping[Question, Entry]
) -> bool | None:
    """Whether ours is faster; None: nobody knows. Where it fails for want of room, it is not."""
    ours, theirs = known.get(Question(spot, _OURS, mode)), known.get(Question(spot, rival, mode))
    if theirs is None and whole.heads == 1:
        theirs = known.get(Question(whole, rival, mode))
    if ours is None or ours.declined or theirs is None or theirs.ms is None:
        return None
    return ours.ms is not None and ours.ms < theirs.ms


def _in_words(sizes: Sequence[tuple[int, bool]]) -> str:
    """Of head sizes, rising, and whether ours is faster there."""
    lost = [size for size, wins in sizes if not wins]
    won = [size for size, wins in sizes if wins]
    if not lost:
        return f"none up to {sizes[-1][0]}"
    if not won:
        return f"below {sizes[0][0]}"
    if max(won) < min(lost):
        return f"between {max(won)} and {min(lost)}"
    return f"none: faster at {', '.join(map(str, won))} of {', '.join(str(s) for s, _ in sizes)}"


def _size(spot: Spot) -> int:
    return spot.hidden // spot.heads
