"""A short causal convolution over time, one filter for each channel.

    y_t = b + Σ_{k=0}^{K−1} w_k ⊙ x_{t−k}

The state is the last K−1 inputs, so that a stream equals the whole sequence, and neither
padding nor the sequence before a reset reaches a result.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError
from ostinato.core.form import Form, FormDecision
from ostinato.core.registry import tell_form
from ostinato.core.sequence import restart_steps, valid_steps
from ostinato.core.state import State
from ostinato.over.layer import Options, SequenceLayer


class CausalConvolution(SequenceLayer):
    """Mix every channel with its own recent past.

    Args:
        size: D, the number of channels.
        kernel: K, how many steps an output sees, its own included.
        bias: whether there is b.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x and output (B, T, D); state (B, K−1, D), oldest first; weight (K, D), oldest first.

    Raises:
        ArgumentError: if `kernel` is not positive.
    """

    def __init__(
        self,
        size: int,
        kernel: int = 4,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if kernel < 1:
            raise ArgumentError(f"kernel must be at least 1; got {kernel!r}.")
        self.size, self.kernel = size, kernel
        self.weight = nn.Parameter(torch.empty(kernel, size, device=device, dtype=dtype))
        shift = nn.Parameter(torch.empty(size, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", shift)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(kernel**-0.5), kernel**-0.5)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, K−1, D)."""
        return self.weight.new_zeros(batch_size, self.kernel - 1, self.size)

    def run(self, x: Tensor, state: Tensor | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, D); returns outputs, state[, states]."""
        forms = {
            "shifts": Form(f"{self.kernel} products of shifted inputs for all steps, added up")
        }
        tell_form(FormDecision(type(self).__name__, x, state, "shifts", "shifts", forms))
        batch, steps = x.shape[:2]
        if options.lengths is None:
            ends = torch.full((batch, 1), steps, device=x.device)
        else:
            ends = torch.as_tensor(options.lengths, device=x.device)[:, None]
            valid = valid_steps(ends[:, 0], batch, steps).T[..., None]
            x = x.masked_fill(~valid, 0)
        window = _Window.of(self.initial_state(batch) if state is None else state, x, options)
        shifts = range(self.kernel)
        y = self._shift(sum(self.weight[k] * window.shifted(k, steps) for k in shifts))
        if options.lengths is not None:
            y = y.masked_fill(~valid, 0)
        state = window.before(ends)[:, 0]
        if not options.return_states:
            return y, state
        every = torch.arange(1, steps + 1, device=x.device).expand(batch, -1)
        return y, state, window.before(torch.minimum(every, ends))

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        past = self.initial_state(x.shape[0]) if state is None else state
        window = torch.cat([past, x[:, None]], 1)
        return self._shift((self.weight * window).sum(1)), window[:, 1:]

    def _shift(self, y: Any) -> Tensor:
        found: Tensor = y if self.bias is None else y + self.bias
        return found

    def extra_repr(self) -> str:
        """The sizes, for `print`."""
        return f"{self.size}, kernel={self.kernel}"


class _Window:
    """The inputs (B, K−1+T, D) with those before them, and which sequence each belongs to."""

    def __init__(self, x: Tensor, past: int, sequence: Tensor | None) -> None:
        self.x, self.past, self.sequence = x, past, sequence

    @classmethod
    def of(cls, state: Tensor, x: Tensor, options: Options) -> _Window:
        past, sequence = state.shape[1], None
        if options.resets is not None:
            resets = options.resets.to(x.device)
            restarts = restart_steps(resets, x.shape[0], x.shape[1], reverse=False).T
            sequence = torch.cat([restarts.new_zeros(len(x), past), restarts], 1).cumsum(1)
        return cls(torch.cat([state, x], 1), past, sequence)

    def shifted(self, shift: int, steps: int) -> Tensor:
        """Inputs (B, T, D) that lie K−1−shift steps back, zero across a reset."""
        found = self.x[:, shift : shift + steps]
        if self.sequence is None:
            return found
        same = self.sequence[:, shift : shift + steps] == self.sequence[:, self.past :]
        return found.masked_fill(~same[..., None], 0)

    def before(self, ends: Tensor) -> Tensor:
        """The state (B, N, K−1, D) after the first ends (B, N) steps."""
        at = ends[..., None] + torch.arange(self.past, device=ends.device)
        rows = torch.arange(len(at), device=at.device)[:, None, None]
        found = self.x[rows, at]
        if self.sequence is None:
            return found
        same = self.sequence[rows, at] == self.sequence[rows, ends[..., None] + self.past - 1]
        return found.masked_fill(~same[..., None], 0)
