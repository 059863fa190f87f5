"""Dropout around a step: one mask for a whole sequence, or a fresh one at every step.

With m ~ Bernoulli(1 − rate) / (1 − rate), whose mean is 1, a wrapper computes

    y_t, s_t = cell(m_x ⊙ x_t, m_s ⊙ s_{t−1}),    output m_y ⊙ y_t

and without noise the same with m = 1.

What is dropped and what is not: the masks act on what *enters* the step, once. The s_t that is
carried on is what the cell made of it, and is not masked when it is carried; a leaf that the
cell hands on untouched is carried undropped. But inside the step all that the cell does with
s_{t−1} sees the masked value: the product U h of an Elman network, where dropout belongs, and
also a memory that is carried elementwise, f ⊙ c of an LSTM or z ⊙ h of a GRU. A unit of such a
memory is lost when it is dropped, and under a constant mask those that are kept grow by
1/(1 − rate) at each step. So

- give a leaf that is memory the rate 0, e.g. state=(0.3, 0.0) for the (h, c) of an LSTM;
- where one leaf is both, as the h of a GRU, use Zoneout, or drop input and output only.
"""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor

from ostinato.core.cell import Cell, Native
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, describe, leaves, map_state
from ostinato.wrap.bernoulli import constant_mask, drop, fresh_masks
from ostinato.wrap.probe import example_output, input_shape
from ostinato.wrap.rates import check_rate, state_rates
from ostinato.wrap.wrapper import Wrapper, follow


class RecurrentDropout(Wrapper):
    """Drop units of the state that enters the step, with fresh masks at every step.

    See the head of this file for what exactly is dropped, and for memory cells.

    Source: the form that drops the hidden state at every step, as discussed by Semeniuta,
    Severyn & Barth 2016, "Recurrent dropout without memory loss", arXiv 1603.05118.
    Deviation: their own proposal drops the candidate (the g of an LSTM) instead, which never
    touches the memory. A wrapper around any cell cannot: a candidate is an inner value of some
    cells, and neither an argument nor a result of a step.

    Args:
        cell: the cell inside.
        rate: probability of dropping in [0, 1), or a tree of such in the structure of the
            state; 0 for a memory cell.

    Raises:
        ArgumentError: if a rate is out of range, or the tree is not like the state.
    """

    def __init__(self, cell: Cell, rate: Any) -> None:
        super().__init__(cell)
        self.rate = rate
        self._rates = state_rates(
            rate, cell.initial_state(1), "The rate of dropout", below_one=True
        )

    def draw(self, batch_size: int, steps: int, generator: Generator | None) -> State | None:
        """What is kept: (T, B, ...) bool like the state."""
        masks = map_state(
            lambda rate, leaf: fresh_masks(1 - rate, leaf, steps, generator) if rate else None,
            self._rates,
            self.initial_state(batch_size),
        )
        return masks if leaves(masks) else None

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step from the dropped state."""
        if own is None:
            return self.inner_step(x, state, inner)
        return step_from_dropped(self, x, state, map_state(drop, state, own, self._rates), inner)

    def native(self) -> Native | str:
        """As the cell inside: without noise the two are the same."""
        return self.cell.native()

    def extra_repr(self) -> str:
        """The rate, for `print`."""
        return f"rate={self.rate}"


class VariationalDropout(Wrapper):
    """Drop units of input, state and output, with the same masks at all steps of a sequence.

    See the head of this file for what exactly is dropped, and for memory cells. The masks are
    drawn once for a call and row; a reset inside a row does not draw new ones.

    Source: Gal & Ghahramani 2015, "A theoretically grounded application of dropout in
    recurrent neural networks", arXiv 1512.05287.
    Deviation: there each gate may have masks of its own; here all gates share one, their
    "tied" form.

    Args:
        cell: the cell inside; dropping input or output needs its `input_size`.
        input: probability of dropping a unit of x (B, ...), in [0, 1).
        state: the same for the state, or a tree of such in its structure.
        output: the same for the output. The state is not touched, even if the output is a
            leaf of it.

    Raises:
        ArgumentError: if a rate is out of range, the tree is not like the state, or the cell
            does not tell its input size.
    """

    def __init__(
        self, cell: Cell, input: float = 0.0, state: Any = 0.0, output: float = 0.0
    ) -> None:
        super().__init__(cell)
        check_rate(input, "input", below_one=True)
        check_rate(output, "output", below_one=True)
        self.input, self.state, self.output = input, state, output
        self._rates = state_rates(state, cell.initial_state(1), "state", below_one=True)
        self._input_shape = input_shape(cell) if input else ()
        shapes = example_output(cell) if output else None
        self._example_output = map_state(lambda leaf: leaf.to("meta"), shapes)

    def draw(self, batch_size: int, steps: int, generator: Generator | None) -> State | None:
        """What is kept of (input, state, output): (T, B, ...) bool, constant over T."""

        def mask(rate: float, like: Tensor) -> Tensor | None:
            return constant_mask(1 - rate, like, steps, generator) if rate else None

        masks = (
            mask(self.input, self.zeros(batch_size, *self._input_shape)),
            map_state(mask, self._rates, self.initial_state(batch_size)),
            map_state(
                lambda leaf: mask(self.output, self.zeros(batch_size, *leaf.shape[1:])),
                self._example_output,
            ),
        )
        return masks if leaves(masks) else None

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step; `own` is what is kept of input, state and output."""
        if own is None:
            return self.inner_step(x, state, inner)
        kept_input, kept_state, kept_output = own
        dropped = map_state(drop, state, kept_state, self._rates)
        x = self._drop_input(x, kept_input)
        output, new = step_from_dropped(self, x, state, dropped, inner)
        if kept_output is not None:
            output = map_state(lambda y, kept: drop(y, kept, self.output), output, kept_output)
        return output, new

    def native(self) -> Native | str:
        """As the cell inside: without noise the two are the same."""
        return self.cell.native()

    def extra_repr(self) -> str:
        """The rates, for `print`."""
        return f"input={self.input}, state={self.state}, output={self.output}"

    def _drop_input(self, x: Any, kept: Tensor | None) -> Any:
        if kept is not None and not (isinstance(x, Tensor) and x.shape == kept.shape):
            raise ArgumentError(
                f"Input dropout takes one tensor {list(kept.shape)}, as input_size says; "
                f"got {describe(x)}."
            )
        return drop(x, kept, self.input)


def step_from_dropped(
    wrapper: Wrapper, x: Any, state: State, dropped: State, inner: State | None
) -> tuple[Any, State]:
    """One step of the cell inside from `dropped`; what it hands on untouched is handed on whole."""
    output, new = wrapper.inner_step(x, dropped, inner)
    originals = {id(d): s for d, s in zip(leaves(dropped), leaves(state), strict=True)}
    carried = map_state(lambda leaf: originals.get(id(leaf), leaf), new)
    return follow(output, new, carried), carried
