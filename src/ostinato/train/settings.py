"""What the configurations of all kinds of runs share: a folder, JSON, and checks of their values.

Nothing here imports torch, so that `--help` answers at once.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Self

from ostinato.core.errors import ArgumentError, nearest

# What may differ between a run and its continuation: where and how fast, never what.
_FREE = frozenset({"out", "resume", "overwrite", "device", "threads", "tensorboard"})


class Settings:
    """The base of a frozen dataclass that configures a run.

    Attributes:
        out: folder of the run.
        resume: continue the run in it.
        overwrite: delete the run in it first.
    """

    out: Path
    resume: bool
    overwrite: bool

    def identity(self) -> dict[str, Any]:
        """The fields that a continuation of the run must share, as JSON values."""
        return {k: v for k, v in self.to_json().items() if k not in _FREE}

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        values: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        return values | {"out": str(self.out)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        for name in values:
            if name not in known:
                raise ArgumentError(f"{cls.__name__} has no field {name!r}. {nearest(name, known)}")
        return cls(**values)

    def _check_folder(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        if self.resume and self.overwrite:
            raise ArgumentError("--resume and --overwrite exclude each other. Drop one of them.")

    def _at_least(self, name: str, bound: int) -> None:
        value = getattr(self, name)
        if value is not None and not value >= bound:
            self._reject(name, f"a number >= {bound}")

    def _positive(self, name: str) -> None:
        value = getattr(self, name)
        if value is not None and not 0 < value < float("inf"):
            self._reject(name, "a finite number > 0")

    def _one_of(self, name: str, known: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in known:
            raise ArgumentError(f"{_flag(name)} is {value!r}. {nearest(str(value), known)}")

    def _reject(self, name: str, expected: str) -> None:
        raise ArgumentError(
            f"{_flag(name)} must be {expected}, got {getattr(self, name)!r}. Change {_flag(name)}."
        )


def _flag(name: str) -> str:
    return f"--{name}"
