"""Recurrence over time: `RNN` runs any cell, `Bidirectional` and `Stack` combine layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ostinato.core.cell import Cell, take_step
from ostinato.core.errors import ArgumentError, CellError, EngineError
from ostinato.core.recurrence import Recurrence, checkpoint_interval, count_steps
from ostinato.core.scan import run, with_masks
from ostinato.core.state import State, check_like, move_axis
from ostinato.over.layer import Options, SequenceLayer, batch_size
from ostinato.wrap.learned_state import LearnedState


class RNN(SequenceLayer):
    """Run a cell over time: y_t, h_t = cell(x_t, h_{t−1}).

        rnn = ost.RNN(MyCell(64, 128))
        y, state = rnn(x)                   # x (B, T, 64), y (B, T, 128)
        y_t, state = rnn.step(x_t, state)   # one more step; the same numbers

    Training and evaluation compute the same function. The mode only decides whether a cell
    that knows noise (dropout, zoneout) draws it.

    Args:
        cell: the step.
        engine: "auto", or the name of the engine that must be used.
        reverse: run from the last step to the first; with lengths, from each row's own last
            valid step. Outputs stay in the order of time.
        learn_initial_state: make the state before the first step a parameter.

    Raises:
        CellError: if `cell` is not an `ost.Cell`.
    """

    def __init__(
        self,
        cell: Cell,
        engine: str = "auto",
        *,
        reverse: bool = False,
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(cell, Cell):
            raise CellError(
                f"RNN runs an ost.Cell; got {type(cell).__name__}. Derive the module from "
                "ost.Cell and define initial_state(batch_size) and forward(x, state)."
            )
        self.cell: Cell = LearnedState(cell) if learn_initial_state else cell
        self.engine = engine
        self.reverse = reverse

    def initial_state(self, batch_size: int) -> State:
        """The cell's initial state, leaves (batch_size, ...)."""
        return self.cell.initial_state(batch_size)

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The noise of whole sequences, leaves (T, B, ...); None if the cell draws none."""
        return self.cell.sample_noise(batch_size, steps, generator)

    def run(self, x: Any, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, ...); returns outputs, state[, states]."""
        recurrence = self.recurrence(x, state, options)
        new, ys = run(recurrence, self.engine)
        ys = move_axis(ys, 0, 1)
        return (ys[0], new, ys[1]) if options.return_states else (ys, new)

    def recurrence(self, x: Any, state: State | None, options: Options) -> Recurrence:
        """What is to be evaluated for a call, in the form that engines receive.

        Raises:
            ShapeError: if x, state, lengths and resets do not fit together.
        """
        batch, steps = batch_size(x), count_steps(x, 1)
        fresh = self.initial_state(batch)
        if state is None:
            state = fresh
        else:
            check_like(state, fresh, "The given state", "Pass None, or what the layer returned.")
        noise = options.noise
        if noise is None and self.training:
            noise = self.sample_noise(batch, steps, options.generator)
        plain = noise is None and not options.return_states
        recurrence = Recurrence(
            step=_step_of(self.cell, noise is not None, options.return_states),
            init=state,
            xs=(move_axis(x, 1, 0), noise) if noise is not None else move_axis(x, 1, 0),
            steps=steps,
            reverse=self.reverse,
            checkpoint=checkpoint_interval(options.checkpoint, steps),
            cell=self.cell if plain else None,
            identity=(self.cell, noise is not None, options.return_states),
            rebuild=_step_of,
        )
        return with_masks(recurrence, options.lengths, options.resets, fresh)

    def step(
        self, x: Any, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        if state is None:
            state = self.initial_state(batch_size(x))
        return take_step(self.cell, x, state, noise)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"engine={self.engine!r}" + (", reverse=True" if self.reverse else "")


def _step_of(cell: Cell, noisy: bool, with_states: bool) -> Any:
    """The cell as a step of a recurrence: (carry, x) -> (carry, y)."""

    def step(carry: State, inputs: Any) -> tuple[State, Any]:
        x, noise = inputs if noisy else (inputs, None)
        y, new = take_step(cell, x, carry, noise)
        return new, (y, new) if with_states else y

    step.__name__ = type(cell).__name__
    return step


_MERGES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "concat": lambda a, b: torch.cat([a, b], -1),
    "sum": lambda a, b: a + b,
    "mean": lambda a, b: (a + b) / 2,
    "pair": lambda a, b: (a, b),
}


class Bidirectional(SequenceLayer):
    """Two layers, one along time and one against it, whose outputs are joined at every step.

    With lengths, the backward layer starts at each row's own last valid step. The state is
    the pair (forward, backward).

    Source: Schuster & Paliwal 1997, "Bidirectional recurrent neural networks".

    Args:
        forward_cell: the cell that runs along time, or a layer that does.
        backward_cell: the cell that runs against it, or a layer made with `reverse=True`.
        merge: "concat" (…, 2H), "sum" or "mean" of the outputs, or "pair" to leave them apart.
        engine: as for `RNN`, of the cells.
        learn_initial_state: as for `RNN`, of the cells.

    Raises:
        ArgumentError: if `merge` is none of these, or a layer runs in the other direction.
    """

    def __init__(
        self,
        forward_cell: Cell | SequenceLayer,
        backward_cell: Cell | SequenceLayer,
        merge: str = "concat",
        engine: str = "auto",
        *,
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__()
        if merge not in _MERGES:
            raise ArgumentError(f"merge must be one of {sorted(_MERGES)}; got {merge!r}.")
        self.along = _layer(forward_cell, False, engine, learn_initial_state)
        self.against = _layer(backward_cell, True, engine, learn_initial_state)
        self.merge = merge

    def initial_state(self, batch_size: int) -> State:
        """The pair of initial states, leaves (batch_size, ...)."""
        return self.along.initial_state(batch_size), self.against.initial_state(batch_size)

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The pair of both layers' noise, leaves (T, B, ...); None if there is none."""
        return _all_or_none(
            layer.sample_noise(batch_size, steps, generator) for layer in (self.along, self.against)
        )

    def run(self, x: Any, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, ...); returns outputs, state[, states]."""
        states, noises = state or (None, None), options.noise or (None, None)
        a = self.along.run(x, states[0], replace(options, noise=noises[0]))
        b = self.against.run(x, states[1], replace(options, noise=noises[1]))
        y = _MERGES[self.merge](a[0], b[0])
        return (y, *zip(a[1:], b[1:], strict=True))

    def step(
        self, x: Any, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Not possible.

        Raises:
            EngineError: always, since the backward layer begins at the end.
        """
        raise EngineError(
            "A bidirectional layer cannot be streamed: its backward half begins at the last "
            "step. Call it on whole sequences, or use a layer that runs along time only."
        )


def _layer(
    given: Cell | SequenceLayer, reverse: bool, engine: str, learn_initial_state: bool
) -> SequenceLayer:
    """A cell over time in one direction, or a layer that runs in it."""
    if not isinstance(given, SequenceLayer):
        return RNN(given, engine, reverse=reverse, learn_initial_state=learn_initial_state)
    if getattr(given, "reverse", False) != reverse:
        which = "backward" if reverse else "forward"
        raise ArgumentError(
            f"The {which} layer of a bidirectional one runs with reverse={reverse}; got a "
            f"{type(given).__name__} that does not. Make it so if it has that option, or give a "
            "cell."
        )
    if engine != "auto" or learn_initial_state:
        raise ArgumentError(
            f"engine and learn_initial_state are options of cells; {type(given).__name__} is a "
            "layer, which has its own."
        )
    return given


class Stack(SequenceLayer):
    """Layers one above the other: the outputs of each are the inputs of the next.

    The state is the tuple of the layers' states.

    Args:
        layers: layers over time, lowest first.
        dropout: probability of dropping a unit between layers, in training.

    Raises:
        ArgumentError: if there is no layer, or `dropout` is not in [0, 1].
    """

    def __init__(self, layers: Iterable[SequenceLayer], dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        if not len(self.layers):
            raise ArgumentError("A Stack needs at least one layer; got none.")
        if not 0 <= dropout <= 1:
            raise ArgumentError(f"dropout must be a probability in [0, 1]; got {dropout}.")
        self.dropout = dropout

    def initial_state(self, batch_size: int) -> State:
        """The tuple of the layers' initial states, leaves (batch_size, ...)."""
        return tuple(layer.initial_state(batch_size) for layer in self._layers())

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The tuple of the layers' noise, leaves (T, B, ...); None if there is none."""
        return _all_or_none(
            layer.sample_noise(batch_size, steps, generator) for layer in self._layers()
        )

    def run(self, x: Any, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, ...); returns outputs, state[, states]."""
        depth = len(self.layers)
        states, noises = state or (None,) * depth, options.noise or (None,) * depth
        rest = []
        for level, layer in enumerate(self._layers()):
            if level and self.training and self.dropout:
                x = _drop(x, self.dropout, options.generator)
            x, *more = layer.run(x, states[level], replace(options, noise=noises[level]))
            rest.append(more)
        return (x, *(tuple(column) for column in zip(*rest, strict=True)))

    def step(
        self, x: Any, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream through all layers; see `SequenceLayer.step`."""
        depth = len(self.layers)
        states, noises, new = state or (None,) * depth, noise or (None,) * depth, []
        for level, layer in enumerate(self._layers()):
            x, after = layer.step(x, states[level], noises[level])
            new.append(after)
        return x, tuple(new)

    def _layers(self) -> list[SequenceLayer]:
        return list(self.layers)  # type: ignore[arg-type]


def _drop(x: Tensor, rate: float, generator: Generator | None) -> Tensor:
    if rate == 1:
        return x * 0
    return x * torch.empty_like(x).bernoulli_(1 - rate, generator=generator).div_(1 - rate)


def _all_or_none(noises: Iterable[State | None]) -> tuple[State | None, ...] | None:
    drawn = tuple(noises)
    return None if all(noise is None for noise in drawn) else drawn
