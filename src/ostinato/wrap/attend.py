"""Attention around a cell: at every step it also reads a mixture of given vectors.

    e_s = v · tanh(W_q s_{t−1} + k_s)           over the places s of the memory
    c_t = Σ_s softmax(e)_s m_s
    y_t, s_t = cell([x_t, c_t], s_{t−1});       the output is [y_t, c_t]

The memory is an input of the step, so that the wrapper works on any engine and with any cell;
`remember` computes k = W_k m once. s_{t−1} is the first leaf of the cell's state.

Source: Bahdanau, Cho & Bengio 2014, "Neural machine translation by jointly learning to align and
translate", arXiv 1409.0473.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.state import State, leaves
from ostinato.wrap.wrapper import Wrapper

__papers__ = ("rnn-survey",)


class Memory(NamedTuple):
    """What a decoder attends to.

    Attributes:
        values: m (B, S, M).
        keys: k (B, S, A).
        valid: which places exist (B, S) bool.
    """

    values: Tensor
    keys: Tensor
    valid: Tensor


class Attend(Wrapper):
    """Give a cell the mixture of a memory beside its input.

        cell = Attend(LSTMCell(32 + 64, 48), memory_size=64, attention_size=48)
        y, state = cell((x, cell.remember(encoded)), state)     # x (B, 32), encoded (B, S, 64)

    Args:
        cell: the cell inside, whose input size is that of x and M together.
        memory_size: M.
        attention_size: A.

    Shapes: x (B, D) with a `Memory`; output (B, H + M); the state is that of the cell inside.
    """

    def __init__(self, cell: Cell, memory_size: int, attention_size: int) -> None:
        super().__init__(cell)
        like = cell.zeros(1)
        size = leaves(cell.initial_state(1))[0].shape[-1]
        self.query = nn.Linear(size, attention_size, False, like.device, like.dtype)
        self.key = nn.Linear(memory_size, attention_size, True, like.device, like.dtype)
        self.score = nn.Linear(attention_size, 1, False, like.device, like.dtype)

    def remember(self, values: Tensor, valid: Tensor | None = None) -> Memory:
        """The memory of vectors (B, S, M), of which those at `valid` (B, S) exist; None: all."""
        every = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Memory(values, self.key(values), every if valid is None else valid)

    def weights(self, memory: Memory, state: State) -> Tensor:
        """How much of every place is read (B, S)."""
        query = self.query(leaves(state)[0])
        energy = self.score(torch.tanh(memory.keys + query[:, None]))[..., 0]
        # Not −∞: a row without any place would be 0/0.
        return torch.softmax(torch.where(memory.valid, energy, -1e9), -1)

    def wrapped_step(
        self, x: tuple[Tensor, Memory], state: State, own: State | None, inner: State | None
    ) -> tuple[Tensor, State]:
        """One step; see `Wrapper`."""
        given, memory = x
        weights = self.weights(memory, state)
        mixture = (weights[..., None] * memory.values).sum(1)
        y, state = self.inner_step(torch.cat([given, mixture], -1), state, inner)
        return torch.cat([y, mixture], -1), state
