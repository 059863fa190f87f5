"""The exceptions of ostinato.

Every message says what was expected, what came, and what to do next. All derive from
`OstinatoError`, and each also from the built-in exception that a caller would expect.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class OstinatoError(Exception):
    """Base class of every error that ostinato raises on purpose."""


class ArgumentError(OstinatoError, ValueError):
    """An argument has a wrong value, or does not fit the others."""


class ShapeError(ArgumentError):
    """A tensor or a tree of tensors has another shape, dtype or structure than needed."""


class CellError(OstinatoError, TypeError):
    """A cell or step breaks the contract: `forward(x, state) -> (output, new_state)`."""


class EngineError(OstinatoError, RuntimeError):
    """A named engine cannot honour the request; the message names the obstacle."""


class MissingExtraError(OstinatoError, ImportError):
    """An optional dependency is needed; the message says how to install it."""


class DataError(OstinatoError, ValueError):
    """A file or a row of data cannot be used; the message names the place."""


class TrainingError(OstinatoError, RuntimeError):
    """Training cannot go on, e.g. the loss is not finite; the message names the step."""


class CheckpointError(OstinatoError, RuntimeError):
    """A checkpoint is missing, incomplete, or does not belong to this run."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the sentence that tells a person what `name` may have meant.

    Args:
        name: what was asked for.
        known: the names that exist.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return f"{guess}Known: {', '.join(names) or 'none'}."
