"""Checks of the constructors' options, with one wording for all tasks."""

from __future__ import annotations

from collections.abc import Iterable

from ostinato.core.errors import ArgumentError, nearest


def require_at_least(minimum: float, **options: float) -> None:
    """Raise an `ArgumentError` that names the first option below `minimum`."""
    for name, value in options.items():
        if not value >= minimum:
            raise ArgumentError(f"{name} must be at least {minimum}; got {value!r}.")


def require_one_of(known: Iterable[str], **options: str) -> None:
    """Raise an `ArgumentError` that names the first option which is not in `known`."""
    names = list(known)
    for name, value in options.items():
        if value not in names:
            raise ArgumentError(f"There is no {name} {value!r}. {nearest(str(value), names)}")
