"""The gradient that the recurrent matrices of a cell pass back in time, clipped or cut.

    ρ_{t−1} = clip(Rᵀ δ_t),    clip(g) = min(max(g, −c), c), 0 where g is NaN or infinite

with δ_t the gradient of R h_{t−1}; cut, ρ = 0. What the state passes back past R, as the c of an
LSTM and the z ⊙ h of a GRU, is left as it is, and so is the gradient of R.

Source: Pöppel, Beck & Hochreiter 2025, "FlashRNN: I/O-Aware Optimization of Traditional RNNs on
modern hardware", arXiv 2412.07752. The cut is older: Elman 1990, Cognitive Science 14.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.clip_gradient import check_limit, clip_gradient
from ostinato.core.errors import ArgumentError, nearest
from ostinato.wrap.products import observe, products, substitute
from ostinato.wrap.wrapper import Wrapper, innermost

__papers__ = ("flashrnn",)


class RecurrentGradient(Wrapper):
    """Clip, or cut, the gradient that goes back in time through the linear maps of the state.

        cell = RecurrentGradient(LSTMCell(64, 128), clip=1.0)
        cell = RecurrentGradient(ElmanCell(64, 128), cut=True)      # as Elman trained his

    Which maps these are is observed in one step of the cell, on zeros: every linear map that
    depends on the state and not on x. Where there are several, the gradient of each is clipped
    before they are summed.

    The cell itself is changed: a map `recur` stands in a module around it, so `recur.weight` is
    now `recur.recurrent.weight`.

    Args:
        cell: the cell inside, with `input_size`, unless the modules are named.
        clip: c, the largest size of an element of ρ; ∞ only replaces what is not finite.
        cut: whether nothing goes back through the maps.
        modules: names of the maps, instead of those that would be found, e.g. ["recur"].

    Attributes:
        places: the names of the maps.

    Raises:
        ArgumentError: if it is not one of clip and cut, c is not positive, a name is not known, no
            map is found, or one takes input and state together.
    """

    def __init__(
        self,
        cell: Cell,
        clip: float | None = None,
        cut: bool = False,
        modules: Sequence[str] | None = None,
    ) -> None:
        super().__init__(cell)
        if (clip is None) != cut:
            raise ArgumentError(
                f"RecurrentGradient takes either clip=c or cut=True; got clip={clip}, cut={cut}."
            )
        if clip is not None:
            check_limit(clip, "clip")
        self.places = _found(cell) if modules is None else _checked(modules, cell)
        for name in self.places:
            substitute(cell, name, _PassingBack(cell.get_submodule(name), clip))


class _PassingBack(nn.Module):
    """A map whose argument receives its gradient clipped; or none of it, without a limit."""

    def __init__(self, recurrent: nn.Module, clip: float | None) -> None:
        super().__init__()
        # Named as other tools look for maps of the state.
        self.recurrent, self.clip = recurrent, clip

    def forward(self, h: Tensor) -> Tensor:
        given = h.detach() if self.clip is None else clip_gradient(h, self.clip)
        return self.recurrent(given)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return "cut" if self.clip is None else f"clip={self.clip}"


def _found(cell: Cell) -> list[str]:
    """The linear maps of the state, as they are observed."""
    found, kind = products(cell, observe(cell)), type(innermost(cell)).__name__
    if found.both:
        raise ArgumentError(
            f"{kind} has linear maps of input and state together: {', '.join(found.both)}. Say "
            f"which maps are recurrent: modules={[*found.state, *found.both]} takes all of them."
        )
    if not found.state:
        raise ArgumentError(
            f"{kind} has no linear map of its state, so that nothing goes back through one. Call "
            "ost.clip_gradient(h, limit) or h.detach() where it uses its state."
        )
    return found.state


def _checked(modules: Sequence[str], cell: Cell) -> list[str]:
    """The names, if the cell has such modules."""
    if isinstance(modules, str) or not modules:
        raise ArgumentError(f"modules must be a list of one name or more; got {modules!r}.")
    known = [name for name, _ in cell.named_modules() if name]
    for name in modules:
        if name not in known:
            kind = type(innermost(cell)).__name__
            raise ArgumentError(f"{kind} has no module {name!r}. {nearest(name, known)}")
    return list(modules)
