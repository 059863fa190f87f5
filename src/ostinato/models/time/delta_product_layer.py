"""The layer of DeltaProduct, which stands in the place of attention.

    q, k_1 … k_n, v_1 … v_n = conv(W x)               a causal convolution for each channel
    b_1 … b_n, a = W_b x
    o_t = the recurrence of these, in heads            `DeltaProductUpdates`
    y = W_o (RMSNorm(o) ⊙ SiLU(W_g x))                 normalised in each head

With one update a step it is DeltaNet, with the gate a as well Gated DeltaNet.

Source: Siems, Carstensen, Zela, Hutter, Pontil & Grazzi 2025, "DeltaProduct: Improving
State-Tracking in Linear RNNs via Householder Products", arXiv 2502.10297; the layer is that of
Yang, Kautz & Hatamizadeh 2024, "Gated Delta Networks", arXiv 2412.06464.
Deviation: the maps of q, k and v are one matrix, and their convolutions one, which computes the
same. The options' names are those of flash-linear-attention; its `mode` is the engine here:
"chunk", "fused" for its recurrent kernel, "reference" for its naive form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, nearest
from ostinato.engines.chunk.arguments import check_chunk_size
from ostinato.models.time.causal_convolution import CausalConvolution
from ostinato.models.time.convolved_block import ConvolvedBlock, Inner
from ostinato.models.time.delta_product_updates import DeltaProductUpdates
from ostinato.models.time.pass_through import PassThrough
from ostinato.over.time import RNN

__papers__ = ("deltaproduct",)

EPSILON = 1e-5
"""Of the model's norms."""


_COUNTS = (
    *("symbols", "width", "layers", "num_heads", "head_dim", "num_householder", "conv_size"),
    *("value_heads", "value_size"),
)


@dataclass(frozen=True)
class DeltaProductConfig:
    """The shape of a DeltaProduct model, and all options of its layers.

    Attributes:
        symbols: how many symbols it reads.
        width: D, of every block.
        layers: how many blocks.
        num_heads: heads of queries and keys.
        head_dim: K, the size of a key.
        num_v_heads: heads of values, a multiple of `num_heads`; None: as many.
        expand_v: V / K.
        num_householder: n, updates a step.
        allow_neg_eigval: β up to 2, so that eigenvalues reach −1; False: up to 1.
        use_forget_gate: whether the state decays before the updates.
        use_output_gate: whether the output is multiplied by SiLU(W_g x).
        use_short_conv: whether queries, keys and values are convolved.
        conv_size: how many steps the convolution sees.
        use_qk_l2norm: whether queries and keys are given length 1.
        scale: of the output; None: K^{−1/2}.
        chunk_size: steps in a chunk of the engine `chunk`, a power of 2; None: what is fast.
        tied: predict with the transposed matrix of the embedding.
        std: of matrices as they begin.

    Raises:
        ArgumentError: if the options do not fit together.
    """

    symbols: int = 32000
    width: int = 256
    layers: int = 4
    num_heads: int = 4
    head_dim: int = 64
    num_v_heads: int | None = None
    expand_v: float = 1.0
    num_householder: int = 2
    allow_neg_eigval: bool = True
    use_forget_gate: bool = True
    use_output_gate: bool = True
    use_short_conv: bool = True
    conv_size: int = 4
    use_qk_l2norm: bool = True
    scale: float | None = None
    chunk_size: int | None = None
    tied: bool = False
    std: float = 0.02

    @property
    def value_heads(self) -> int:
        """Heads of values."""
        return self.num_heads if self.num_v_heads is None else self.num_v_heads

    @property
    def value_size(self) -> int:
        """V, of each head."""
        return int(self.head_dim * self.expand_v)

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if self.std < 0:
            raise ArgumentError(f"std must not be negative; got {self.std}.")
        check_chunk_size(self.chunk_size)
        if self.value_heads % self.num_heads:
            raise ArgumentError(
                f"num_v_heads must be a multiple of num_heads={self.num_heads}; got "
                f"{self.value_heads}."
            )
        if self.head_dim * self.expand_v != self.value_size:
            raise ArgumentError(
                f"expand_v must make a whole number of head_dim={self.head_dim}; got "
                f"{self.expand_v}, which makes {self.head_dim * self.expand_v}."
            )

    @staticmethod
    def published(size: str, num_householder: int = 2, gate: bool = False) -> DeltaProductConfig:
        """A language model of the paper.

        Args:
            size: "392M".
            num_householder: 1, 2 or 3; the more, the fewer heads, so that the size stays.
            gate: Gated DeltaProduct.

        Raises:
            ArgumentError: if the paper has no such model.
        """
        if size not in PUBLISHED:
            raise ArgumentError(f"No size is called {size!r}. {nearest(size, PUBLISHED)}")
        width, heads = PUBLISHED[size]
        if num_householder not in heads:
            raise ArgumentError(
                f"num_householder must be one of {sorted(heads)} at {size}; got {num_householder}."
            )
        return DeltaProductConfig(
            width=width,
            layers=24,
            head_dim=128,
            num_heads=heads[num_householder],
            num_householder=num_householder,
            use_forget_gate=gate,
            use_output_gate=False,
            tied=True,
        )


PUBLISHED = {"392M": (1024, {1: 12, 2: 8, 3: 6})}
"""By size: the width, and heads for each number of updates.

Heads of 128 and 24 layers are the paper's; the width, 32,000 symbols whose embedding is tied, and
no output gate come to its size.
"""


class DeltaProductLayer(ConvolvedBlock):
    """Maps, convolution, recurrence, norm and gate.

    Args:
        config: the options.
        engine: of the recurrence; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x and output (B, T, D); the state is the pair of the convolution's (B, conv_size − 1,
    channels), or an empty tuple, and S (B, heads, K, V).
    """

    def __init__(
        self,
        config: DeltaProductConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        cell = DeltaProductUpdates(
            config.value_heads,
            config.head_dim,
            config.value_size,
            key_heads=config.num_heads,
            updates=config.num_householder,
            negative_eigenvalues=config.allow_neg_eigval,
            gate=config.use_forget_gate,
            normalise=config.use_qk_l2norm,
            scale=config.scale,
            chunk_size=config.chunk_size,
            **on,
        )
        width, inside = config.width, cell.hidden_size
        self.input = nn.Linear(width, cell.convolved, False, **on)
        self.rates = nn.Linear(width, cell.rates, False, **on)
        self.convolution = (
            CausalConvolution(cell.convolved, config.conv_size, bias=False, **on)
            if config.use_short_conv
            else PassThrough()
        )
        self.recurrence = RNN(cell, engine)
        self.norm = nn.RMSNorm(config.value_size, EPSILON, **on)
        self.gate = nn.Linear(width, inside, False, **on) if config.use_output_gate else None
        self.output = nn.Linear(inside, width, False, **on)

    def mix(self, x: Tensor, convolve: Inner, recur: Inner) -> tuple[Any, ...]:
        """Compute the layer; see `ConvolvedBlock.mix`."""
        read, *pasts = self._read(x, convolve)
        o, *memories = recur(read)
        o = self.norm(torch.unflatten(o, -1, (-1, *self.norm.normalized_shape))).flatten(-2)
        if self.gate is not None:
            o = o * F.silu(self.gate(x))
        return (self.output(o), *zip(pasts, memories, strict=True))

    def read(self, x: Tensor) -> Tensor:
        """What the recurrence reads if the layer runs over x (B, T, D), to analyse its cell."""
        found: Tensor = self._read(x, self.convolution)[0]
        return found

    def _read(self, x: Tensor, convolve: Inner) -> tuple[Any, ...]:
        mixed, *pasts = convolve(self.input(x))
        # A key of length 1 that autocast rounded would make a reflection that stretches.
        return (torch.cat([mixed, self.rates(x)], -1).to(self.input.weight.dtype), *pasts)
