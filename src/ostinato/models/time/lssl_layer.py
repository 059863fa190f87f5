"""The LSSL as a layer: one set of parameters, run as a convolution or as a recurrence.

Both views give the same outputs, states and gradients. The convolution takes all steps of a long
sequence at once; the recurrence takes resets, states of every step, checkpointing and streams.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ostinato.cells.lssl import LSSLCell
from ostinato.cells.tridiagonal_inverse import TridiagonalInverse
from ostinato.core.errors import ArgumentError, EngineError
from ostinato.core.form import Form, FormDecision
from ostinato.core.registry import tell_form
from ostinato.core.sequence import valid_steps
from ostinato.core.state import State, check_like
from ostinato.models.time.krylov import advance, convolve, final_state, krylov
from ostinato.over.layer import Options, SequenceLayer
from ostinato.over.time import RNN

__papers__ = ("lssl",)

MODES = ("auto", "convolution", "recurrence")


class LSSL(SequenceLayer):
    """Run an LSSL over time.

        layer = LSSL(LSSLCell(1, 64, measure="legs"))
        y, state = layer(x)                  # x (B, T, 1), y (B, T, 64), as a convolution
        y_t, state = layer.step(x_t, state)  # one more step; the same numbers

    Args:
        cell: the system.
        mode: "convolution", "recurrence", or "auto": the convolution wherever it can be taken.
        engine: of the recurrence, as for `RNN`.
        reverse: run from the last step to the first, as for `RNN`.
        structured: in the convolution, discretise a learned A by its structure, O(N²) for each
            feature instead of O(N³). On one core it takes as long as the dense way up to N = 256.

    Shapes: x (B, T, D); output (B, T, H·M); state (B, H, N).

    Raises:
        ArgumentError: if there is no such mode, or A has no structure.
    """

    def __init__(
        self,
        cell: LSSLCell,
        mode: str = "auto",
        engine: str = "auto",
        *,
        reverse: bool = False,
        structured: bool = False,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ArgumentError(f"mode must be one of {MODES}; got {mode!r}.")
        if structured:
            _check_structure(cell)
        self.recurrence = RNN(cell, engine, reverse=reverse)
        self.mode, self.reverse, self.structured = mode, reverse, structured
        self._held: tuple[Any, ...] = ()

    @property
    def cell(self) -> LSSLCell:
        """The system."""
        cell = self.recurrence.cell
        assert isinstance(cell, LSSLCell)
        return cell

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H, N)."""
        return self.cell.initial_state(batch_size)

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, D); returns outputs, state[, states]."""
        obstacle = _obstacle(x, options)
        if self.mode == "convolution" and obstacle:
            raise EngineError(
                f"The convolution cannot honour the call: {obstacle}. Use mode='auto'."
            )
        taken = "recurrence" if self.mode == "recurrence" or obstacle else "convolution"
        forms = {
            "convolution": Form("all steps at once, by Fourier transforms", obstacle),
            "recurrence": Form("step by step, on an engine"),
        }
        tell_form(FormDecision(type(self).__name__, x, state, self.mode, taken, forms))
        if taken == "recurrence":
            return self.recurrence.run(x, state, options)
        if state is not None:
            action = "Pass None, or what the layer returned."
            check_like(state, self.initial_state(len(x)), "The given state", action)
        # Powers of Ā do not survive half precision.
        with torch.autocast(x.device.type, enabled=False):
            return self._convolve(x, state, options)

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        return self.recurrence.step(x, state)

    def discrete(self) -> RNN:
        """The recurrence with Ā and B̄ computed once, for streams; see `LSSLCell.discrete`."""
        return RNN(self.cell.discrete(), self.recurrence.engine, reverse=self.reverse)

    def vectors(self, length: int) -> tuple[Tensor, Tensor]:
        """Ā (H, N, N) and the Krylov vectors Ā^i B̄ (H, N, T).

        Where neither A, B nor δ are learned, they are kept until one of them, the rate, or T
        changes.
        """
        cell = self.cell
        system = cell.system
        sources = (*system.buffers(), *system.parameters(), cell.log_step, cell.rate)
        if torch.compiler.is_compiling() or any(map(_moving, sources)):
            return self._vectors(length)
        # The tensors are compared by identity and version, and held so that none is replaced
        # by another at the same place; a new dtype or device comes with new tensors.
        key = (length, cell.discretisation, *(each._version for each in sources))
        if not self._held or self._held[0] != key or any(map(_other, self._held[1], sources)):
            # Made in inference mode, they could not serve a later training step.
            with torch.inference_mode(False), torch.no_grad():
                self._held = (key, sources, self._vectors(length))
        held: tuple[Tensor, Tensor] = self._held[2]
        return held

    def _vectors(self, length: int) -> tuple[Tensor, Tensor]:
        cell = self.cell
        if self.structured:
            assert isinstance(cell.system, TridiagonalInverse)
            held, hold = cell.system.structured(cell.step_size, cell.discretisation)
        else:
            held, hold = cell.discretised()
        return held, krylov(held, hold, length)

    def _convolve(self, x: Tensor, state: Tensor | None, options: Options) -> tuple[Any, ...]:
        cell, (batch, steps) = self.cell, x.shape[:2]
        lengths = torch.full((batch,), steps, device=x.device)
        valid = None
        if options.lengths is not None:
            lengths = torch.as_tensor(options.lengths, device=x.device)
            valid = valid_steps(lengths, batch, steps).T[..., None]
            x = x.masked_fill(~valid, 0)
        u = cell.input(x.to(cell.D.dtype))
        if self.reverse:
            u = _turned(u, lengths)
        held, vectors = self.vectors(steps)
        # D is what the kernel holds at lag 0: beside it, it would be a pass over all steps more.
        direct = pad(cell.D[..., None], (0, steps - 1))
        y = convolve(u, cell.C @ vectors + direct)
        last = final_state(vectors, u if valid is None else _at_the_end(u, lengths))
        if state is not None:
            # C Ā^{t+1}, of all steps, are Krylov vectors of Āᵀ.
            reads = krylov(held.mT[:, None], cell.C @ held, steps)
            y = y + torch.einsum("hmnt,bhn->bthm", reads, state)
            last = last + advance(held, state, lengths)
        y = y.flatten(2)
        if self.reverse:
            y = _turned(y, lengths)
        return (y if valid is None else y.masked_fill(~valid, 0)), last

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"mode={self.mode!r}, structured={self.structured}"


def _check_structure(cell: LSSLCell) -> None:
    if not isinstance(cell.system, TridiagonalInverse):
        raise ArgumentError(
            "structured=True needs a learned A of the form −P (T^{-1} + diag(c)) Q: give the "
            "cell learn='shared' or 'separate' and one of the measures of that form."
        )
    cell.system.check_structured(cell.discretisation)


def _obstacle(x: Tensor, options: Options) -> str | None:
    """Why a call cannot be a convolution, or None."""
    if options.resets is not None:
        return "resets put the state back inside a row"
    if options.return_states:
        return "it has no states of single steps to return"
    if x.element_size() < 4:
        return "there is no Fourier transform of 16 bits"
    if options.checkpoint:
        return "there are no states to recompute; its kernels take H·N·T numbers"
    return None if x.shape[1] else "there are no steps"


def _moving(tensor: Tensor) -> bool:
    """Whether a tensor is learned, or counts no versions."""
    return tensor.requires_grad or tensor.is_inference()


def _other(held: Tensor, now: Tensor) -> bool:
    return held is not now


def _turned(x: Tensor, lengths: Tensor) -> Tensor:
    """The valid steps of each row of (B, T, F) in the opposite order, before the padding."""
    steps = torch.arange(x.shape[1], device=x.device)
    order = (lengths[:, None] - 1 - steps) % x.shape[1]
    return x.gather(1, order[..., None].expand_as(x))


def _at_the_end(x: Tensor, lengths: Tensor) -> Tensor:
    """The rows of (B, T, F), zero on padding, moved so that their last valid step is the last."""
    steps = torch.arange(x.shape[1], device=x.device)
    order = (steps + lengths[:, None]) % x.shape[1]
    return x.gather(1, order[..., None].expand_as(x))
