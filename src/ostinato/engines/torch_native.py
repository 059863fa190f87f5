"""The torch engine: torch.lstm, torch.gru and torch.rnn_* where their equations are the cell's.

oneDNN on CPU and cuDNN on GPU stand behind them. A cell says so through `Cell.native`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ostinato.core.cell import Cell, Native
from ostinato.core.estimate import Estimate
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.state import State, leaves
from ostinato.engines.fused.device.precision import LOW
from ostinato.engines.fused.device.target import target
from ostinato.engines.rates import rates

# Multiplications of a call up to which torch.lstm is the faster: measured, a call of generated code
# costs 0.3 ms more, and gains 5 % without gradients and 30 % with them.
_SHORT = {False: 2e7, True: 1e7}
# Times as long with the gradient, of published times on an H100 (see `rates`).
_TRAINING = 2.6


class TorchNative:
    """Evaluate with the recurrent functions that torch has."""

    name = "torch"
    summary = "torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu"
    rank = 10

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why torch has no function for this recurrence, or None."""
        if not isinstance(recurrence.cell, Cell):
            return "the step is not a cell alone, so its equations are not known"
        native = recurrence.cell.native()
        if isinstance(native, str):
            return native
        if not hasattr(torch, native.function):
            return f"torch has no function {native.function}"
        return _unsupported(recurrence)

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """On the CPU generated code is faster, but each call of it costs more."""
        cell = recurrence.cell
        native = cell.native() if isinstance(cell, Cell) else ""
        on_cpu = all(leaf.device.type == "cpu" for leaf in leaves(recurrence.init))
        if not isinstance(native, Native) or not on_cpu:
            return None
        if native.function != "lstm":
            return Doubt(f"torch.{native.function} is slower than generated code on the CPU", 4)
        if recurrence.valid is not None:
            return Doubt("torch packs rows of unequal length, which is slow on the CPU", 4)
        training = torch.is_grad_enabled()
        if _multiplications(recurrence, native) < _SHORT[training]:
            return None
        return Doubt("torch.lstm is slower than generated code on the CPU for calls this long", 4)

    def estimate(self, recurrence: Recurrence) -> Estimate | None:
        """The time that cuDNN takes: the device waits at every step, or multiplies."""
        cell = recurrence.cell
        native = cell.native() if isinstance(cell, Cell) else ""
        if not isinstance(native, Native):
            return None
        found = rates()
        single = "tf32" if torch.backends.cudnn.allow_tf32 else "ieee"
        precision = {torch.float32: single, **LOW}.get(leaves(recurrence.init)[0].dtype, "ieee")
        together = target().multiprocessors * found.multiply[precision]
        busy = _multiplications(recurrence, native) / together
        time = found.call + max(recurrence.steps * found.cudnn_step, busy)
        return found.estimate(time * (_TRAINING if torch.is_grad_enabled() else 1))

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs (T, B, H)."""
        assert isinstance(recurrence.cell, Cell)
        native = recurrence.cell.native()
        assert isinstance(native, Native)
        order = _order(recurrence)
        x = recurrence.xs if order is None else _gather(recurrence.xs, order)
        hidden = recurrence.init if isinstance(recurrence.init, tuple) else (recurrence.init,)
        hidden = tuple(leaf[None].contiguous() for leaf in hidden)
        if recurrence.valid is None:
            y, new = _call(native, x.contiguous(), None, hidden)
        else:
            y, new = _ragged(native, x, recurrence.valid, hidden)
        y = y if order is None else _gather(y, order)
        carry = tuple(leaf[0] for leaf in new)
        return carry if isinstance(recurrence.init, tuple) else carry[0], y


def _multiplications(recurrence: Recurrence, native: Native) -> int:
    """Of all steps and rows together, forward."""
    rows = sum(leaf.shape[0] for leaf in leaves(recurrence.init)[:1])
    return recurrence.steps * rows * sum(w.numel() for w in native.weights if w.dim() > 1)


def _unsupported(recurrence: Recurrence) -> str | None:
    """The option or the input that torch's functions do not take."""
    if not isinstance(recurrence.xs, Tensor) or recurrence.xs.dim() != 3:
        return "the input is not one tensor (T, B, D)"
    if recurrence.steps == 0 or recurrence.xs.shape[1] == 0:
        return "torch takes no sequence without steps and no batch without rows"
    if recurrence.restart is not None:
        return "torch cannot reset a state inside a sequence"
    if recurrence.checkpoint is not None:
        return "torch stores every step, so it cannot honour checkpoint"
    if recurrence.valid is not None and not bool(recurrence.valid[0].all()):
        return "torch takes no row of length 0"
    if torch.is_autocast_enabled(recurrence.xs.device.type):
        return "under autocast torch would keep the state itself in low precision"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch's recurrent functions do not work under torch.func transforms"
    if torch.autograd.forward_ad._current_level >= 0:
        return "torch's recurrent functions have no forward-mode derivative"
    return None


def _order(recurrence: Recurrence) -> Tensor | None:
    """The order (T, B) that turns each row round inside its own length, if time runs backwards."""
    if not recurrence.reverse:
        return None
    steps = torch.arange(recurrence.steps, device=recurrence.xs.device)[:, None]
    if recurrence.valid is None:
        return steps.flip(0).expand(-1, recurrence.xs.shape[1])
    lengths = recurrence.valid.sum(0)
    return torch.where(recurrence.valid, lengths - 1 - steps, steps)


def _gather(sequence: Tensor, order: Tensor) -> Tensor:
    """Reorder the steps (T, B, F) of each row."""
    return sequence.gather(0, order[:, :, None].expand_as(sequence))


def _ragged(
    native: Native, x: Tensor, valid: Tensor, hidden: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    packed = pack_padded_sequence(x, valid.sum(0).cpu(), enforce_sorted=False)
    data, sizes, order, back = packed
    assert order is not None
    assert back is not None
    y, new = _call(native, data, sizes, tuple(leaf.index_select(1, order) for leaf in hidden))
    packed_y = PackedSequence(y, sizes, order, back)
    padded, _ = pad_packed_sequence(packed_y, total_length=x.shape[0])
    return padded, tuple(leaf.index_select(1, back) for leaf in new)


def _call(
    native: Native, x: Tensor, batch_sizes: Tensor | None, hidden: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer, one direction, no dropout: (T, B, D), or packed data with its batch sizes."""
    state = hidden if len(hidden) > 1 else hidden[0]
    weights = list(native.weights)
    function = getattr(torch, native.function)
    # The positional tail is: biases, layers, dropout, train, bidirectional[, batch_first].
    # `train` only switches dropout and what cuDNN stores for the gradient.
    train = torch.is_grad_enabled()
    if batch_sizes is None:
        y, *new = function(x, state, weights, native.biased, 1, 0.0, train, False, False)
    else:
        y, *new = function(x, batch_sizes, state, weights, native.biased, 1, 0.0, train, False)
    return y, tuple(new)
