"""Ragged and joined sequences, all brought to one per-step form.

Lengths, resets, packed sequences and packed tokens (`cu_seqlens`) become two masks over
(T, B): `valid`, false on padding, where the state is held and the output is zero; and
`restart`, true where the state is put back to the initial one before the step. `masked_step`
turns them into inputs of the step itself, so that no engine needs a mechanism of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from ostinato.core.errors import ShapeError
from ostinato.core.state import State, map_state, rows_like, select


def valid_steps(lengths: Tensor | Sequence[int], batch: int, steps: int) -> Tensor:
    """The mask (T, B) that is true on the first `lengths[b]` steps of each row.

    Raises:
        ShapeError: if there is not one length for each row, or one exceeds T.
    """
    lengths = torch.as_tensor(lengths)
    if lengths.shape != (batch,) or lengths.dtype.is_floating_point:
        raise ShapeError(
            f"lengths must be ({batch},) integers, one for each row; "
            f"got {list(lengths.shape)} {lengths.dtype}."
        )
    # In a compiled graph nothing may depend on values, and lengths are taken on trust.
    checked = batch and not torch.compiler.is_compiling()
    if checked and not bool(((lengths >= 0) & (lengths <= steps)).all()):
        raise ShapeError(
            f"lengths must lie in 0..{steps}, the number of steps; got "
            f"{int(lengths.min())}..{int(lengths.max())}."
        )
    return torch.arange(steps, device=lengths.device)[:, None] < lengths


def restart_steps(resets: Tensor, batch: int, steps: int, reverse: bool) -> Tensor:
    """The mask (T, B) of steps that begin from the initial state.

    Args:
        resets: (B, T) bool, true on the first step of a new sequence, in the order of time.
        batch: B.
        steps: T.
        reverse: whether time is run backwards; a sequence then begins at its last step, the
            one before the next sequence.

    Raises:
        ShapeError: if `resets` is not (B, T) bool.
    """
    if resets.shape != (batch, steps) or resets.dtype != torch.bool:
        raise ShapeError(
            f"resets must be ({batch}, {steps}) bool, batch first; "
            f"got {list(resets.shape)} {resets.dtype}."
        )
    if reverse:
        resets = torch.cat([resets[:, 1:], torch.zeros_like(resets[:, :1])], 1)
    return resets.T


def zero_padding(tree: State, valid: Tensor) -> State:
    """Zero where not valid, leaves (T, B, ...): NaN in padding reaches neither value nor gradient.

    Multiplying by the mask would not do, since 0 · NaN = NaN.
    """
    return map_state(lambda leaf: leaf.masked_fill(~rows_like(valid, leaf), 0), tree)


def masked_step(step: Any) -> Any:
    """The step over (x, valid, restart, fresh), where either mask may be None.

    Args:
        step: `(carry, x) -> (carry, y)`. `fresh` is the state that a restart puts back.
    """

    def masked(carry: State, inputs: Any) -> tuple[State, Any]:
        x, valid, restart, fresh = inputs
        if restart is not None:
            carry = select(restart, fresh, carry)
        new, y = step(carry, x)
        if valid is not None:
            new = select(valid, new, carry)
        return new, y

    return masked


def unpack(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """A PackedSequence as padded (B, T, ...) and lengths (B,), rows in the caller's order."""
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    return padded, lengths


def repack(padded: Tensor, like: PackedSequence) -> PackedSequence:
    """Pack (B, T, ...) with exactly the layout of `like`."""
    if like.sorted_indices is not None:
        padded = padded.index_select(0, like.sorted_indices)
    rows = torch.arange(padded.shape[0])
    present = (rows < like.batch_sizes[:, None]).to(padded.device)
    data = padded.transpose(0, 1)[present]
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)


def split_tokens(tokens: Tensor, cu_seqlens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sequences joined end to end as a padded batch.

    Args:
        tokens: (1, total, ...), all sequences one after another.
        cu_seqlens: (N+1,) integers, the borders: 0, …, total.

    Returns:
        Padded (N, T, ...), lengths (N,), and the flat position of every token in it (total,).

    Raises:
        ShapeError: if the borders do not rise from 0 to the number of tokens.
    """
    borders = cu_seqlens.to(tokens.device, torch.int64)
    total = tokens.shape[1] if tokens.dim() > 1 else -1
    rising = borders.dim() == 1 and len(borders) > 1 and bool((borders.diff() >= 0).all())
    ends = rising and int(borders[0]) == 0 and int(borders[-1]) == total
    if tokens.shape[:1] != (1,) or not ends:
        raise ShapeError(
            "cu_seqlens needs x (1, total, ...) and borders that rise from 0 to total; got "
            f"x {list(tokens.shape)} and cu_seqlens {borders.tolist()}."
        )
    lengths = borders.diff()
    steps = int(lengths.max())
    row = torch.repeat_interleave(torch.arange(len(lengths), device=tokens.device), lengths)
    position = row * steps + torch.arange(total, device=tokens.device) - borders[row]
    padded = tokens.new_zeros(len(lengths) * steps, *tokens.shape[2:])
    padded = padded.index_copy(0, position, tokens[0])
    return padded.view(len(lengths), steps, *tokens.shape[2:]), lengths, position


def join_tokens(padded: Tensor, position: Tensor) -> Tensor:
    """The inverse of `split_tokens`: (N, T, ...) to (1, total, ...)."""
    return padded.flatten(0, 1).index_select(0, position)[None]
