"""Where the values of a loop lie while its steps are run one after another."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ostinato.engines.fused.device.port import Port


@dataclass(frozen=True)
class Frame:
    """The tensors of a loop.

    Attributes:
        rows: B.
        sequences: ports of all steps, each with the elements of a row.
        states: of each leaf that the loop carries, two tensors (B, size): one is read while the
            other is written, and the first is read at even steps.
        fixed: tensors that are the same at every step: constants, what stages of one step hand
            to one another (B, size), and memory of kernels.
    """

    rows: int
    sequences: dict[str, tuple[Port, int]]
    states: tuple[tuple[Tensor, Tensor], ...]
    fixed: dict[str, Tensor]

    def at(self, step: int) -> dict[str, Tensor]:
        """The tensors of one step."""
        found = dict(self.fixed)
        for name, (port, size) in self.sequences.items():
            found[name] = port.at(step, self.rows, size)
        for i, pair in enumerate(self.states):
            found |= {f"state_{i}": pair[step % 2], f"next_{i}": pair[1 - step % 2]}
        return found

    @property
    def downwards(self) -> bool:
        """Whether steps go down in memory."""
        return any(port.time < 0 for port, _ in self.sequences.values())

    def span(self, name: str, first: int, steps: int) -> Tensor:
        """Some steps of a sequence (steps, B, size), in the order of memory."""
        port, size = self.sequences[name]
        lowest = port.at(first if port.time >= 0 else first + steps - 1, self.rows, size)
        strides = (abs(port.time), *lowest.stride())
        return lowest.as_strided((steps, *lowest.shape), strides)
