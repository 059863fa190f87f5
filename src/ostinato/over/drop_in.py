"""`LSTM`, `GRU` and `Elman` with the constructor, call, states and state_dict of torch.nn's.

    import ostinato as ost
    lstm = ost.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True)
    lstm.load_state_dict(nn.LSTM(64, 128, 2, bidirectional=True).state_dict())
    y, (h, c) = lstm(x)

They are stacks of ordinary cells, so every engine, wrapper and option of `Stack` is there too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ostinato.cells.elman import ElmanCell
from ostinato.cells.gru import GRUCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.core.state import State, leaves, map_state
from ostinato.over.time import RNN, Bidirectional, Stack

# torch's name of a weight, and the attribute of a cell that holds it.
_PARTS = {
    "weight_ih": "input.weight",
    "weight_hh": "recur.weight",
    "bias_ih": "input.bias",
    "bias_hh": "recur.bias",
    "weight_hr": "project.weight",
}
_TORCH_NAME = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)_l(\d+)(_reverse)?$")


class TorchLayout(nn.Module):
    """What the three drop-in layers share; use `LSTM`, `GRU` or `Elman`.

    Args:
        cell_class: the cell of every layer and direction.
        sizes: (D, H, layers).
        bias: whether there are the two biases.
        batch_first: whether x and y are (B, T, ·) instead of (T, B, ·); states are
            (layers · directions, B, ·) in either case, as in torch.
        dropout: between layers, in training.
        bidirectional: two directions in each layer, outputs concatenated.
        engine: as for `RNN`.
        options: further arguments of the cell.

    Raises:
        ArgumentError: if a size is below 1, or an option is out of range.
    """

    def __init__(
        self,
        cell_class: type[Cell],
        sizes: tuple[int, int, int],
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        engine: str,
        **options: Any,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = sizes
        if min(sizes) < 1:
            raise ArgumentError(
                f"input_size, hidden_size and num_layers must be at least 1; got {sizes}."
            )
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        width = (options.get("projection") or self.hidden_size) * (1 + bidirectional)

        def make(level: int) -> Cell:
            size = width if level else self.input_size
            return cell_class(size, self.hidden_size, bias=bias, recurrent_bias=bias, **options)

        self.stack = Stack(
            (
                Bidirectional(make(level), make(level), engine=engine)
                if bidirectional
                else RNN(make(level), engine)
                for level in range(self.num_layers)
            ),
            dropout,
        )
        self.register_state_dict_post_hook(_to_torch_names)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_from_torch_names)  # type: ignore[no-untyped-call]

    @property
    def dropout(self) -> float:
        """Probability of dropping a unit between layers, in training."""
        return self.stack.dropout

    def forward(self, input: Any, hx: State | None = None) -> tuple[Any, State]:
        """Run over whole sequences, as torch.nn's layer does.

        Args:
            input: (T, B, D), (B, T, D) with `batch_first`, (T, D) unbatched, or a
                `PackedSequence`.
            hx: initial state, leaves (layers · directions, B, ·), without B if unbatched.

        Returns:
            The outputs in the form of the input, and the final state in the form of `hx`.

        Raises:
            ShapeError: if the input or the state has another shape than the layer needs.
        """
        if isinstance(input, PackedSequence):
            y, state = self.stack(input, self._to_layers(hx))
            return y, self._from_layers(state)
        self._check_input(input)
        if input.dim() == 2:
            y, state = self._run(input[None], map_state(lambda leaf: leaf[:, None], hx))
            return y[0], map_state(lambda leaf: leaf[:, 0], state)
        if self.batch_first:
            return self._run(input, hx)
        y, state = self._run(input.transpose(0, 1), hx)
        return y.transpose(0, 1), state

    def cells(self) -> Iterator[tuple[str, str, Cell]]:
        """Every cell with its place: prefix of its parameters, and torch's suffix."""
        for level, layer in enumerate(self.stack.layers):
            path, sides = f"stack.layers.{level}.", {"cell.": ""}
            if self.bidirectional:
                sides = {"along.cell.": "", "against.cell.": "_reverse"}
            for inner, suffix in sides.items():
                cell = layer.get_submodule(inner.rstrip("."))
                assert isinstance(cell, Cell)
                yield path + inner, f"_l{level}{suffix}", cell

    def flatten_parameters(self) -> None:
        """Nothing to do: weights are read at every call. Here so that code for torch.nn runs."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, in torch's order."""
        return [
            [cell.get_parameter(path) for name, path in _PARTS.items() if _has(cell, path)]
            for _, _, cell in self.cells()
        ]

    def __getattr__(self, name: str) -> Any:
        match = _TORCH_NAME.match(name)
        if match is None or "_modules" not in self.__dict__:
            return super().__getattr__(name)
        for _, suffix, cell in self.cells():
            if name == match[1] + suffix and _has(cell, _PARTS[match[1]]):
                return cell.get_parameter(_PARTS[match[1]])
        return super().__getattr__(name)

    def extra_repr(self) -> str:
        """The sizes, for `print`."""
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"

    def _run(self, x: Tensor, hx: State | None) -> tuple[Tensor, State]:
        y, state = self.stack(x, self._to_layers(hx, len(x)))
        return y, self._from_layers(state)

    def _check_input(self, x: Tensor) -> None:
        form = "(B, T, D)" if self.batch_first else "(T, B, D)"
        if not isinstance(x, Tensor) or x.dim() not in (2, 3) or x.shape[-1] != self.input_size:
            came = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ShapeError(
                f"{type(self).__name__} takes {form}, or (T, D) for one sequence, with "
                f"D = {self.input_size}; got {came}."
            )

    def _to_layers(self, hx: State | None, batch: int | None = None) -> State | None:
        """torch's layout, leaves (L·directions, B, ·), as the tuple of the layers' states."""
        if hx is None:
            return None
        count = self.num_layers * (2 if self.bidirectional else 1)
        if any(leaf.dim() != 3 or leaf.shape[0] != count for leaf in leaves(hx)):
            raise ShapeError(
                f"The state needs leaves ({count}, {'B' if batch is None else batch}, ·), one row "
                f"for each layer and direction; got {[list(leaf.shape) for leaf in leaves(hx)]}."
            )
        each = [map_state(lambda leaf, i=i: leaf[i], hx) for i in range(count)]
        if self.bidirectional:
            return tuple(zip(each[::2], each[1::2], strict=True))
        return tuple(each)

    def _from_layers(self, state: State) -> State:
        each = [s for pair in state for s in pair] if self.bidirectional else list(state)
        return map_state(lambda *parts: torch.stack(parts), each[0], *each[1:])


class LSTM(TorchLayout):
    """`torch.nn.LSTM` of `LSTMCell`s; the state is (h_n, c_n). See `TorchLayout.forward`.

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: layers, one above the other.
        bias: whether there are the two biases.
        batch_first: whether x and y are (B, T, ·) instead of (T, B, ·).
        dropout: between layers, in training.
        bidirectional: two directions in each layer, outputs concatenated.
        proj_size: size of the projected h; 0: none.
        device: of the parameters.
        dtype: of the parameters.
        engine: as for `RNN`.
        options: further options of `LSTMCell`, e.g. `peepholes` or `forget_bias`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        engine: str = "auto",
        **options: Any,
    ) -> None:
        super().__init__(
            LSTMCell,
            (input_size, hidden_size, num_layers),
            bias,
            batch_first,
            dropout,
            bidirectional,
            engine,
            projection=proj_size,
            device=device,
            dtype=dtype,
            **options,
        )
        self.proj_size = proj_size


class GRU(TorchLayout):
    """`torch.nn.GRU` of `GRUCell`s; the state is h_n. See `TorchLayout.forward`.

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: layers, one above the other.
        bias: whether there are the two biases.
        batch_first: whether x and y are (B, T, ·) instead of (T, B, ·).
        dropout: between layers, in training.
        bidirectional: two directions in each layer, outputs concatenated.
        device: of the parameters.
        dtype: of the parameters.
        engine: as for `RNN`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        engine: str = "auto",
    ) -> None:
        super().__init__(
            GRUCell,
            (input_size, hidden_size, num_layers),
            bias,
            batch_first,
            dropout,
            bidirectional,
            engine,
            device=device,
            dtype=dtype,
        )


class Elman(TorchLayout):
    """`torch.nn.RNN` of `ElmanCell`s; the state is h_n. See `TorchLayout.forward`.

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: layers, one above the other.
        nonlinearity: "tanh" or "relu".
        bias: whether there are the two biases.
        batch_first: whether x and y are (B, T, ·) instead of (T, B, ·).
        dropout: between layers, in training.
        bidirectional: two directions in each layer, outputs concatenated.
        device: of the parameters.
        dtype: of the parameters.
        engine: as for `RNN`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        engine: str = "auto",
    ) -> None:
        super().__init__(
            ElmanCell,
            (input_size, hidden_size, num_layers),
            bias,
            batch_first,
            dropout,
            bidirectional,
            engine,
            activation=nonlinearity,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity


def _has(cell: Cell, path: str) -> bool:
    module, _, leaf = path.partition(".")
    return getattr(getattr(cell, module, None), leaf, None) is not None


def _names(layer: TorchLayout) -> dict[str, str]:
    """Our key of every weight, by torch's key."""
    return {
        part + suffix: prefix + path
        for prefix, suffix, cell in layer.cells()
        for part, path in _PARTS.items()
        if _has(cell, path)
    }


def _to_torch_names(
    layer: TorchLayout, state_dict: dict[str, Any], prefix: str, metadata: Any
) -> None:
    for theirs, ours in _names(layer).items():
        if prefix + ours in state_dict:
            state_dict[prefix + theirs] = state_dict.pop(prefix + ours)


def _from_torch_names(
    layer: TorchLayout, state_dict: dict[str, Any], prefix: str, *rest: Any
) -> None:
    for theirs, ours in _names(layer).items():
        if prefix + theirs in state_dict:
            state_dict[prefix + ours] = state_dict.pop(prefix + theirs)
