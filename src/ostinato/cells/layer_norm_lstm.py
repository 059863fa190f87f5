"""LSTM with layer normalisation, in the forms of the paper and of its users.

Form "full" (attentive reader, and the released code):
    (i, f, g, o) = LN(U h_{t−1}; α1, β1) + LN(W x_t; α2, β2) + b
    c_t = σ(f) ⊙ c_{t−1} + σ(i) ⊙ tanh(g)
    h_t = σ(o) ⊙ tanh(LN(c_t; α3, β3))
Each product is normalised over all 4H values together, and c_t is carried as it is.
Form "cell" (handwriting, DRAW): the gates of the plain LSTM, and only the read-out of c_t is
normalised. Form "haste": "full" with β1 = β2 = 0.

Source: Ba, Kiros & Hinton 2016, "Layer normalization", arXiv 1607.06450, supplement.
Deviation: gates stand in torch's order i, f, g, o, in the released code in the order i, f, o,
g; the released code adds b once more inside the normalisation of W x. ε = 1e-5 inside the
root, which the paper leaves out.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.initialise import orthogonal_blocks
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("layer-norm",)


class LayerNormLSTMCell(Cell):
    """The layer-normalised LSTM; the state is (h, c) with c not normalised, the output h.

    Args:
        input_size: D.
        hidden_size: H. With H = 1 the normalised read-out of c is its bias, whatever c is.
        form: "full", "cell" or "haste".
        per_gate: normalise each gate's H values by themselves; another model than the paper's.
        cell_norm: whether the read-out LN(c) is there.
        forget_bias: what b_f begins at.
        eps: ε.
        affine: whether gains and biases of the normalisations are learned.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); h, c and output (B, H).

    Raises:
        ArgumentError: if the form is not known, or nothing would be normalised.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        form: str = "full",
        per_gate: bool = False,
        cell_norm: bool = True,
        forget_bias: float = 0.0,
        eps: float = 1e-5,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if form not in ("full", "cell", "haste"):
            raise ArgumentError(
                f"No form is called {form!r}. {nearest(form, ('full', 'cell', 'haste'))}"
            )
        if form == "cell" and (per_gate or not cell_norm):
            raise ArgumentError(
                'form="cell" normalises the read-out of c only, so cell_norm must be True and '
                "per_gate False."
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.form, self.forget_bias = form, forget_bias
        placed: dict[str, Any] = {"device": device, "dtype": dtype}
        self.input = nn.Linear(input_size, 4 * hidden_size, False, **placed)
        self.recur = nn.Linear(hidden_size, 4 * hidden_size, False, **placed)
        self.bias = nn.Parameter(torch.empty(4 * hidden_size, **placed))
        norm = partial(
            GateNorm,
            4 * hidden_size,
            4 if per_gate else 1,
            eps=eps,
            affine=affine,
            shift=form != "haste",
            **placed,
        )
        whole = form != "cell"
        self.norm_input = norm() if whole else nn.Identity()
        self.norm_state = norm() if whole else nn.Identity()
        self.readout = (
            nn.LayerNorm(hidden_size, eps, affine, **placed) if cell_norm else nn.Identity()
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gaussian input matrix, one orthogonal block per gate, zero biases as in the code."""
        nn.init.normal_(self.input.weight, std=self.input_size**-0.5)
        orthogonal_blocks(self.recur.weight, self.hidden_size)
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.bias[self.hidden_size : 2 * self.hidden_size] = self.forget_bias

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Zeros: h and c (B, H)."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step: x (B, D), state (h, c)."""
        h, c = state
        z = self.norm_state(self.recur(h)) + self.norm_input(self.input(x)) + self.bias
        i, f, g, o = z.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(self.readout(c))
        return h, (h, c)


class GateNorm(nn.Module):
    """Layer normalisation of a vector of gates, as one or gate by gate.

    Args:
        size: length of the vector.
        gates: into how many parts it is cut, each normalised by itself; 1: as one.
        eps: ε inside the root.
        affine: whether there is a learned gain.
        shift: whether there is a learned bias beside it.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        size: int,
        gates: int = 1,
        eps: float = 1e-5,
        affine: bool = True,
        shift: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.gates, self.eps = gates, eps
        ones = torch.ones(size, device=device, dtype=dtype)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(torch.zeros_like(ones)) if affine and shift else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        parts = x.view(*x.shape[:-1], self.gates, -1)
        y = F.layer_norm(parts, parts.shape[-1:], eps=self.eps).flatten(-2)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias
