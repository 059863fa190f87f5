"""Normalisation inside any cell, at its input product, its state product and its read-out.

For an LSTM with N = LayerNorm at all three places

    (i, f, g, o) = N(W x_t + b) + N(U h_{t−1}),    c_t = σ(f) ⊙ c_{t−1} + σ(i) ⊙ tanh(g)
    h_t = σ(o) ⊙ tanh(N(c_t))

and the c_t that is carried on is the one before normalisation. With at=("readout",) only the
last line is normalised: the second form of the paper.

Source: Ba, Kiros & Hinton 2016, "Layer Normalization", arXiv 1607.06450.
Deviation: the bias of a linear map stays inside the norm, as in the authors' code; the shift
that the equations add outside is the norm's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.state import State, describe
from ostinato.wrap.products import Observation, Products, linear_maps, observe, products, substitute
from ostinato.wrap.wrapper import Wrapper, innermost

_PLACES = ("input", "state", "readout")


class Normalised(Wrapper):
    """Put a norm after the linear maps of the input, those of the state, and the read-out.

        cell = Normalised(LSTMCell(64, 128))                              # all three places
        cell = Normalised(GRUCell(64, 128), nn.RMSNorm, at=("input", "state"))

    *Input product*: every linear map that depends on x and not on the state. *State product*:
    every one that depends on the state and not on x. Which is which is observed in one step of
    the cell, on zeros. *Read-out*: the cell's submodule named `readout` (in an LSTM it stands
    between c and tanh), or, where there is none, the output; a state that is also put out is
    then carried on without the norm. A map of several gates gets one norm over all of them.

    The cell itself is changed: a module `m` at a place becomes nn.Sequential(m, norm), so
    `m.weight` is now `m.0.weight`.

    Args:
        cell: the cell inside, with `input_size`.
        norm: makes the norm of a size, e.g. nn.LayerNorm, nn.RMSNorm or a partial of them.
        at: the places, out of "input", "state", "readout".
        modules: names of the modules at a place, instead of what would be found there, e.g.
            {"state": ["recur", "recur_new"]}.

    Attributes:
        places: the names of the modules at each place; none for a read-out that is the output.

    Raises:
        ArgumentError: if a place is not known or not found, or if a linear map takes input and
            state together, so that its product is neither.
    """

    def __init__(
        self,
        cell: Cell,
        norm: Callable[[int], nn.Module] = nn.LayerNorm,
        at: Sequence[str] = _PLACES,
        modules: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(cell)
        for place in (*at, *(modules or {})):
            if place not in _PLACES:
                raise ArgumentError(f"No place is called {place!r}. {nearest(place, _PLACES)}")
        seen = observe(cell)
        self.places = _places(cell, seen, at, modules or {})
        names = [name for found in self.places.values() for name in found]
        norms = {name: _norm_of(norm, seen.modules[name]) for name in names}
        self.output_norm = (
            _norm_of(norm, [seen.output]) if self.places.get("readout") == [] else None
        )
        for name, after in norms.items():
            substitute(cell, name, nn.Sequential(cell.get_submodule(name), after))

    def wrapped_step(
        self, x: Any, state: State, own: State | None, inner: State | None
    ) -> tuple[Any, State]:
        """One step."""
        output, new = self.inner_step(x, state, inner)
        return output if self.output_norm is None else self.output_norm(output), new

    def extra_repr(self) -> str:
        """Where the norms are, for `print`."""
        return f"places={self.places}"


def _places(
    cell: Cell, seen: Observation, at: Sequence[str], modules: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The modules to be normalised, by place."""
    found = products(cell, seen)
    places = {}
    for place in (p for p in _PLACES if p in at or p in modules):
        if place in modules:
            places[place] = _checked(list(modules[place]), cell, seen)
        elif place == "readout":
            places[place] = _readout(cell, seen)
        else:
            places[place] = _found(place, found, cell)
    return places


def _checked(names: list[str], cell: Cell, seen: Observation) -> list[str]:
    for name in names:
        if name not in seen.modules:
            raise ArgumentError(
                f"A step of {type(innermost(cell)).__name__} calls no module {name!r}. "
                f"{nearest(name, seen.modules)}"
            )
    return names


def _readout(cell: Cell, seen: Observation) -> list[str]:
    readout = getattr(innermost(cell), "readout", None)
    names = [name for name, module in cell.named_modules() if module is readout]
    return _checked(names, cell, seen)


def _found(place: str, found: Products, cell: Cell) -> list[str]:
    """The products that were observed; an error where the observation leaves a doubt."""
    kind = type(innermost(cell)).__name__
    names = found.input if place == "input" else found.state
    if found.both:
        raise ArgumentError(
            f"{kind} has linear maps of input and state together: {', '.join(found.both)}. "
            "Split them in two, or say which modules are to be normalised: "
            f"modules={{'input': {found.input}, 'state': {found.state}}} leaves them as they are."
        )
    if not names:
        raise ArgumentError(
            f"{kind} has no linear map of its {place} alone; parameters outside linear maps: "
            f"{', '.join(_raw_parameters(cell)) or 'none'}. Make the product an nn.Linear, name "
            f"a module (modules={{{place!r}: ['name']}}), or leave {place!r} out of `at`."
        )
    return names


def _raw_parameters(cell: nn.Module) -> list[str]:
    maps = tuple(f"{name}." for name in linear_maps(cell))
    return [name for name, _ in cell.named_parameters() if not name.startswith(maps)]


def _norm_of(norm: Callable[[int], nn.Module], outputs: list[Any]) -> nn.Module:
    """A norm for what a module puts out, of its dtype and on its device."""
    last = outputs[-1] if outputs else None
    if not isinstance(last, Tensor) or last.dim() < 2:
        raise ArgumentError(f"A norm needs a tensor (B, H) to act on; got {describe(last)}.")
    return norm(last.shape[-1]).to(last)
