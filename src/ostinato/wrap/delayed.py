"""A recurrence that reads several earlier outputs, made a cell.

    y_t = f(x_t, y_{t−s_1}, …, y_{t−s_P})

Its state is the companion state, the last max(s) outputs, each a leaf of its own, so that the
structure of f between leaves is seen by every engine.

Source: Lim, Zhu, Selfridge & Kasim 2024, "Parallelizing non-linear sequential models over the
sequence length", ICLR, arXiv 2309.12252, whose general form has such shifts.
Deviation: there the linear solve knows the shifts; here it is the recurrence of the companion
state. With a single shift, `over.strided.Strided` needs no companion state.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("deer",)


class Delayed(Cell):
    """Make y_t = f(x_t, y_{t−s_1}, …, y_{t−s_P}) a cell; the output is y_t.

        class Second(nn.Module):
            def forward(self, x, one, two):        # x (B, D), one and two (B, H)
                return torch.tanh(x + 0.9 * one - 0.5 * two)

        rnn = ost.RNN(Delayed(Second(), shifts=(1, 2), hidden_size=4))

    The state is a tuple of max(s) tensors (B, H), the last output first; outputs before the first
    step are zero, or what the given state holds.

    Args:
        function: f, `(x, *earlier) -> y`, one earlier output (B, H) for each shift.
        shifts: s, how many steps back each of them lies.
        hidden_size: H.

    Raises:
        ArgumentError: if there is no shift, or one is below 1.
    """

    def __init__(self, function: nn.Module, shifts: Sequence[int], hidden_size: int) -> None:
        super().__init__()
        if not shifts or min(shifts) < 1:
            raise ArgumentError(
                f"shifts must be one or more numbers of steps back, each at least 1; got {shifts}."
            )
        self.function, self.shifts, self.hidden_size = function, tuple(shifts), hidden_size

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros, max(s) times (B, H)."""
        return tuple(self.zeros(batch_size, self.hidden_size) for _ in range(max(self.shifts)))

    def forward(self, x: Tensor, past: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step: x (B, D), past max(s) times (B, H)."""
        y = self.function(x, *(past[shift - 1] for shift in self.shifts))
        return y, (y, *past[:-1])

    def extra_repr(self) -> str:
        """The shifts, for `print`."""
        return f"shifts={self.shifts}"
