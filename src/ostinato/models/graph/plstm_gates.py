"""The gates of pLSTM on a grid, from its inputs: a beam (P) or diffusion to every cell (D).

The gates of each orientation and head::

    P:  T_rl = T_ru = α τ,  T_dl = T_du = (1−α) τ,  S_r = α s,  S_d = (1−α) s,  M_l = M_u = m
    D:  T_rl = τ_r,  T_du = τ_d,  T_ru = τ_rd, T_dl = 0 (chirality L; R: the other way round),
        S_r = s_r,  S_d = s_d,  M_l = m_l,  M_u = m_u

    s, m = σ(w·x + b),   τ = tanh(5 (w·x + b)),   α = σ(w·x / (2 D) + b),   b_α from −2 to 2

With several states in a head (`Tracking`), τ is a matrix that lengthens no vector
(`stable_transition`), and s and m are matrices too.

P: what enters a cell is shared out, so that the sum over its ways is at most 1. D: without one of
the two turns there is one path from edge to edge. Both keep long distances stable, on their own.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
Deviation: every gate reads all features; in the paper's code the gates of an orientation and head
read a part of D/(4·heads) of their own, which is `GateOptions.block_diagonal`. Its P-mode has
T_du = 1−ατ and S_d = 1−αs, which is `GateOptions.code_compat`; the paper's form is the default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError, nearest
from ostinato.models.time.stable_transition import stable_transition, transition_numbers
from ostinato.models.tracking import Tracking
from ostinato.over.block import Block

__papers__ = ("plstm",)

_KINDS = {
    "P": ("source", "mark", "transition", "angle"),
    "D": ("source", "source", "mark", "mark", "transition", "transition", "transition"),
}
_BIAS = {"source": -4.0, "mark": -4.0, "transition": 1.0, "angle": 0.0}


@dataclass(frozen=True)
class GateOptions:
    """How gates are computed.

    Attributes:
        weights: let them depend on the input; False: biases only.
        std: with which standard deviation their weights begin; the paper takes 0, and a small
            number for ImageNet.
        block_diagonal: a part of the features for each orientation and head.
        kernel: side of a depthwise convolution on their inputs, odd; None: no convolution.
        chirality: which turn D keeps: "L", from above to the right, or "R"; P keeps both.
        code_compat: P as in the paper's code, see above; D has one form.

    Raises:
        ArgumentError: if there is no such chirality, the kernel has no middle, or there are no
            weights for an option to act on.
    """

    weights: bool = True
    std: float = 0.0
    block_diagonal: bool = False
    kernel: int | None = None
    chirality: str = "L"
    code_compat: bool = False

    def __post_init__(self) -> None:
        if self.chirality not in ("L", "R"):
            raise ArgumentError(f"chirality must be 'L' or 'R'; got {self.chirality!r}.")
        if self.kernel is not None and (self.kernel < 1 or self.kernel % 2 == 0):
            raise ArgumentError(f"The kernel of gates has an odd side; got {self.kernel}.")
        if not self.weights and (self.kernel is not None or self.std or self.block_diagonal):
            raise ArgumentError(
                "Gates of biases only read no input: leave out kernel, std and block_diagonal, or "
                f"weights=False; got {self}."
            )

    def of_mode(self, mode: str) -> GateOptions:
        """What gates of a mode read of these options; the other mode's have their default."""
        return replace(self, chirality="L") if mode == "P" else replace(self, code_compat=False)


class GridGates(nn.Module):
    """From inputs (B, X, Y, D) to the gates of every orientation and head.

    Args:
        size: D.
        heads: how many.
        mode: "P" or "D".
        orientations: 1 to 4.
        options: see `GateOptions`; None: its defaults.
        tracking: states, keys, values, queries and outputs of a head; None: one each.
        transition: form of τ, see `stable_transition`.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: gates (B, heads, orientations, X, Y, ·, ·), their direct part zero.

    Raises:
        ArgumentError: if there is no such mode or transition, the mode does not read one of the
            options, or the sizes do not fit.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        mode: str = "P",
        orientations: int = 4,
        options: GateOptions | None = None,
        tracking: Tracking | None = None,
        transition: str = "diagonal",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options = options or GateOptions()
        self.mode, self.options, self.transition = mode, options, transition
        self.tracking = j = tracking or Tracking()
        _check(size, heads, mode, orientations, options)
        parts = orientations * heads if options.block_diagonal else 1
        kinds, numbers = (
            _KINDS[mode],
            {
                "source": j.states * j.written,
                "mark": j.read * j.states,
                "transition": transition_numbers(transition, j.states),
                "angle": 1,
            },
        )
        self.sizes = [numbers[kind] for kind in kinds]
        shape = sum(self.sizes), orientations, heads
        self.bias = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        for rows, kind in zip(torch.split(self.bias.data, self.sizes), kinds, strict=True):
            rows.fill_(_BIAS[kind])
            if kind == "transition":
                rows[: -j.states].normal_(std=0.1)
            elif kind == "angle":
                rows.copy_(torch.linspace(-2, 2, heads).expand(1, orientations, -1))
        self.weight = None
        if options.weights:
            weight = torch.empty(*shape, size // parts, device=device, dtype=dtype)
            self.weight = nn.Parameter(weight.normal_(std=options.std))
        self.convolution = None
        if options.kernel is not None:
            side = options.kernel
            self.convolution = nn.Conv2d(
                size, size, side, padding=side // 2, groups=size, device=device, dtype=dtype
            )

    def forward(self, x: Tensor) -> Block:
        """(B, X, Y, D) to the gates."""
        affine = torch.split(self._affine(x).movedim(0, -1), self.sizes, -1)
        parts = map(self._matrix, _KINDS[self.mode], affine)
        return self._beam(*parts) if self.mode == "P" else self._diffusion(*parts)

    def extra_repr(self) -> str:
        """The mode and the options, for `print`."""
        return f"mode={self.mode!r}, {self.options}"

    def _affine(self, x: Tensor) -> Tensor:
        """(gates, B, heads, orientations, X, Y) before the nonlinearities."""
        bias = self.bias.transpose(1, 2)[:, None, :, :, None, None]
        if self.weight is None:
            return bias.expand(-1, len(x), -1, -1, *x.shape[1:3])
        if self.convolution is not None:
            x = self.convolution(x.movedim(-1, 1)).movedim(1, -1)
        weight: Tensor = self.weight
        if self.mode == "P":
            # The direction of a beam follows the input slowly.
            weight = torch.cat([weight[:-1], weight[-1:] * (0.5 / x.shape[-1])])
        if not self.options.block_diagonal:
            return torch.einsum("bxyc,gohc->gbhoxy", x, weight) + bias
        parts = torch.unflatten(x, -1, (*self.bias.shape[1:], -1))
        return torch.einsum("bxyohc,gohc->gbhoxy", parts, weight) + bias

    def _matrix(self, kind: str, numbers: Tensor) -> Tensor:
        """Numbers (..., n) as the matrices of a kind of gates (..., ·, ·)."""
        j = self.tracking
        if kind == "transition":
            return stable_transition(self.transition, numbers, j.states)
        columns = {"source": j.written, "mark": j.states, "angle": 1}[kind]
        return torch.unflatten(numbers.sigmoid(), -1, (-1, columns))

    def _beam(self, s: Tensor, m: Tensor, t: Tensor, share: Tensor) -> Block:
        right, down = share * t, (1 - share) * t
        s_r, s_d = share * s, (1 - share) * s
        if self.options.code_compat:
            one = torch.eye(t.shape[-1], dtype=t.dtype, device=t.device)
            down, s_d = one - right, 1 - s_r
        return Block(right, right, down, down, s_r, s_d, m, m, _nothing(m, s))

    def _diffusion(self, s_r: Tensor, s_d: Tensor, m_l: Tensor, m_u: Tensor, *t: Tensor) -> Block:
        right, down, turn = t
        none = torch.zeros_like(turn)
        t_ru, t_dl = (turn, none) if self.options.chirality == "L" else (none, turn)
        return Block(right, t_ru, t_dl, down, s_r, s_d, m_l, m_u, _nothing(m_l, s_r))


def _nothing(mark: Tensor, source: Tensor) -> Tensor:
    """A direct gate of zeros (..., W, U)."""
    return mark.new_zeros(*mark.shape[:-1], source.shape[-1])


def _check(size: int, heads: int, mode: str, orientations: int, options: GateOptions) -> None:
    if mode not in _KINDS:
        raise ArgumentError(f"No mode is called {mode!r}. {nearest(mode, _KINDS)}")
    if options != options.of_mode(mode):
        raise ArgumentError(
            f"Mode {mode} reads no {'chirality' if mode == 'P' else 'code_compat'}; give "
            f"GateOptions.of_mode({mode!r}), or leave it out."
        )
    if not 1 <= orientations <= 4:
        raise ArgumentError(f"A grid has 1 to 4 orientations; got {orientations}.")
    if options.block_diagonal and size % (orientations * heads):
        raise ArgumentError(
            f"block_diagonal gates need a size that {orientations} orientations · {heads} heads "
            f"divide; got {size}."
        )
