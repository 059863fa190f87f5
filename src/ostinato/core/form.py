"""In which of several forms a layer computed a call, where that is no choice among engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ostinato.core.state import State, describe


@dataclass(frozen=True)
class Form:
    """A form of a layer.

    Attributes:
        summary: what it is, in a line.
        obstacle: why it cannot serve a call, or None.
    """

    summary: str
    obstacle: str | None = None


@dataclass(frozen=True)
class FormDecision:
    """Which form computed a call of a layer; a recurrence inside has a `Decision` of its own.

    Attributes:
        layer: its name.
        x: its input.
        state: what it was given; None: its initial state.
        requested: the form that was asked for, or "auto".
        chosen: its name.
        forms: all that there are, by name.
    """

    layer: str
    x: Any
    state: State
    requested: str
    chosen: str
    forms: dict[str, Form]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "layer": self.layer,
            "inputs": describe(self.x),
            "state": self._state(),
            "requested": self.requested,
            "chosen": self.chosen,
            "forms": {name: form.obstacle for name, form in self.forms.items()},
        }

    def __str__(self) -> str:
        width = max(map(len, self.forms))
        lines = [f"{self.layer}, a layer of its own form"]
        lines += [f"  input  {describe(self.x)}, batch first", f"  state  {self._state()}"]
        for name, form in self.forms.items():
            verdict = f"no: {form.obstacle}" if form.obstacle else form.summary
            mark = "chosen →" if name == self.chosen else "        "
            lines.append(f"  {mark} {name:<{width}}  {verdict}")
        return "\n".join(lines)

    def _state(self) -> str:
        return "the initial one" if self.state is None else describe(self.state)
