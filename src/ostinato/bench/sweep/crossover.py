"""From which head size on another is faster than generated code that stays on chip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ostinato.bench.sweep.entry import Entry, Question, Spot

_OURS = "on chip"


def crossovers(spots: Sequence[Spot], engines: Sequence[str], modes: Sequence[str],
               entries: Sequence[Entry]) -> Iterator[tuple[str, str, str, str, str]]:  # fmt: skip
    """Cell, rows and steps, mode, rival, and the head size in words; of all that was measured.

    A rival without heads counts with its time for one head of all units.

    Args:
        spots: those of a table.
        engines: its columns.
        modes: its modes.
        entries: its answers.
    """
    known = {entry.question: entry for entry in entries if entry.measured}
    declined = {entry.question for entry in entries if entry.ms is None}
    groups: dict[tuple[str, int, int, int], list[Spot]] = {}
    for spot in spots:
        groups.setdefault((spot.cell, spot.hidden, spot.batch, spot.steps), []).append(spot)
    for (cell, _, batch, steps), group in groups.items():
        group.sort(key=_size)
        for mode in modes:
            for rival in (name for name in engines if name not in ("reference", "fused", _OURS)):
                sizes = [
                    (_size(spot), wins)
                    for spot in group
                    if (wins := _wins(spot, group[-1], rival, mode, known, declined)) is not None
                ]
                if len(sizes) > 1:
                    yield cell, f"B={batch}, T={steps}", mode, rival, _in_words(sizes)


def _wins(
    spot: Spot,
    whole: Spot,
    rival: str,
    mode: str,
    known: Mapping[Question, Entry],
    declined: set[Question],
) -> bool | None:
    """Whether ours is faster; None: nobody knows. Where ours gave no time, it is not."""
    ours, theirs = Question(spot, _OURS, mode), known.get(Question(spot, rival, mode))
    if theirs is None and whole.heads == 1:
        theirs = known.get(Question(whole, rival, mode))
    if theirs is None or theirs.ms is None:
        return None
    if ours in declined:
        return False
    found = known.get(ours)
    return None if found is None or found.ms is None else found.ms < theirs.ms


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
