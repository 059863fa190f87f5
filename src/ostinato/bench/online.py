"""Learning online: a segment of a stream, whose gradient reaches back to where the stream began.

All sides continue the same stream of `PAST` steps, and so have the same gradient: by sensitivities
that were carried along, in one form or another, or by going back to the first step again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacfwd, jacrev, vmap

from ostinato.core.cell import Cell
from ostinato.core.state import State, detach
from ostinato.over.time import RNN
from ostinato.train.rtrl.learner import RTRL, Carried

PAST = 64
"""Steps before the segment."""


class Online(nn.Module):
    """A side: what went before is run once for a number of rows, each call is one segment more.

    Args:
        cell: whose parameters are learned.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self._before: dict[tuple[Any, ...], Any] = {}

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """Run a segment (B, T, D)."""
        key = (len(x), x.dtype, x.device)
        if key not in self._before:
            generator = torch.Generator().manual_seed(1)
            past = torch.randn(len(x), PAST, x.shape[-1], generator=generator)
            with torch.no_grad():
                self._before[key] = self.begin(past.to(x))
        return self.segment(x, self._before[key])

    def begin(self, past: Tensor) -> Any:
        """What is carried after the first steps (B, PAST, D)."""
        raise NotImplementedError

    def segment(self, x: Tensor, before: Any) -> tuple[Tensor, Any]:
        """The outputs of a segment, and what is carried after it."""
        raise NotImplementedError


class Sensitive(Online):
    """Real-time recurrent learning by `RTRL`.

    Args:
        cell: whose parameters are learned.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        self.learner = RTRL(RNN(cell))

    def begin(self, past: Tensor) -> Carried:
        """Sensitivities after the first steps."""
        carried: Carried = self.learner(past)[1]
        return carried

    def segment(self, x: Tensor, before: Carried) -> tuple[Tensor, Carried]:
        """A segment, and the sensitivities after it."""
        y, carried = self.learner(x, before)
        return y, carried


class Backwards(Online):
    """Backpropagation through all of the past: TBPTT with a window as long as the stream.

    Args:
        cell: whose parameters are learned.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        self.rnn = RNN(cell)

    def begin(self, past: Tensor) -> Tensor:
        """The inputs themselves."""
        return past

    def segment(self, x: Tensor, before: Tensor) -> tuple[Tensor, State]:
        """The last outputs of the past and the segment together."""
        y, state = self.rnn(torch.cat([before, x], 1))
        return y[:, PAST:], state


class Jacobians(Online):
    """Dense sensitivities by torch.func: `jacfwd` in the state, `jacrev` in the parameters.

    They are of many rows and few columns, and the other way round, so that each takes its shorter
    way. For cells whose state is one leaf (B, N).

    Args:
        cell: whose parameters are learned.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)

        def new(theta: dict[str, Tensor], h: Tensor, x: Tensor) -> Tensor:
            found: Tensor = functional_call(cell, theta, (x[None], h[None]))[1][0]
            return found

        self._by_state: Callable[..., Tensor] = vmap(jacfwd(new, 1), (None, 0, 0))
        self._by_parameters: Callable[..., dict[str, Tensor]] = vmap(jacrev(new), (None, 0, 0))

    def begin(self, past: Tensor) -> tuple[Tensor, list[Tensor]]:
        """State and sensitivities (B, N, ...) after the first steps."""
        h = self.cell.initial_state(len(past))
        kept = [h.new_zeros(*h.shape, *p.shape) for p in self.cell.parameters()]
        for x in past.unbind(1):
            h, kept = self._step(h, kept, x)
        return h, kept

    def segment(self, x: Tensor, before: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, Any]:
        """A segment, and state and sensitivities after it."""
        first, kept = before
        h, ys = _Attach.apply(first, kept, *self.cell.parameters()), []  # type: ignore[no-untyped-call]
        for x_t in x.unbind(1):
            with torch.no_grad():
                _, kept = self._step(detach(h), kept, x_t)
            y, h = self.cell(x_t, h)
            ys.append(y)
        return torch.stack(ys, 1), (detach(h), kept)

    def _step(self, h: Tensor, kept: list[Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
        theta = {name: p.detach() for name, p in self.cell.named_parameters()}
        j, immediate = self._by_state(theta, h, x), self._by_parameters(theta, h, x)
        moved = (torch.bmm(j, s.flatten(2)).view_as(s) for s in kept)
        added = [a + b for a, b in zip(moved, immediate.values(), strict=True)]
        return self.cell(x, h)[1], added


class _Attach(torch.autograd.Function):
    """The state as it is, with the gradient of what came before."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, kept: list[Tensor], *theta: Tensor) -> Tensor:
        ctx.kept = kept
        return h.clone()

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Any, ...]:
        return None, None, *(torch.einsum("bn,bn...->...", errors[0], s) for s in ctx.kept)
