"""The recurrence of a matrix state on CUDA, through Triton; or through its interpreter in tests.

What depends on no state is found for all chunks at once, then states go from chunk to chunk, then
outputs or gradients come from all of them at once.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ostinato.core.extras import extra
from ostinato.engines.chunk.kernel import Kept
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.chunk.tiles import HOMES, ROWS, tile

# Larger matrices leave a program no registers.
_WIDEST = 256
# Bytes of the states of chunks, where no gradient is wanted: few windows, so few launches.
_WINDOW = 2**28


class Blocks(NamedTuple):
    """What of the chunks depends on no state, chunk by chunk for each head of each row.

    Attributes:
        weights: P (R, C, C).
        inverse: (I + A)⁻¹ (R, C, C).
        entering: e^Γ ⊙ q (R, C, K).
        leaving: e^{Γ_C − Γ} ⊙ k (R, C, K).
        erased: (I + A)⁻¹ (e^Γ ⊙ a) (R, C, K).
    """

    weights: Tensor
    inverse: Tensor
    entering: Tensor
    leaving: Tensor
    erased: Tensor


def compiled(steps: Steps) -> bool:
    """Whether there is a kernel for these steps."""
    small = max(steps.q.shape[-1], steps.v.shape[-1]) <= _WIDEST
    on_device = steps.q.device.type == "cuda" and steps.q.dtype == torch.float32
    return small and on_device and _installed()


def forward(
    steps: Steps, state: Tensor, scale: float, keep: bool
) -> tuple[Tensor, Tensor, Kept | None]:
    """o (B, T, H, V), the last state (B, H, K, V), and what the gradient needs, if `keep`.

    Where nothing is kept, steps run in windows, since the states of all chunks can be larger than
    everything else together.
    """
    steps, state = steps.map(_readable), state.contiguous()
    batch, count, heads, _ = steps.q.shape
    o = state.new_empty(batch, count, heads, steps.v.shape[-1])
    if keep:
        kept = _run(steps, state, scale, o)
        return o, kept.last, kept
    length = max(1, _WINDOW // (state.nbytes * steps.updates)) * ROWS
    for begin in range(0, count, length):
        window = steps.map(partial(_between, count=count, begin=begin, end=begin + length))
        state = _run(window, state, scale, o[:, begin : begin + length]).last
    return o, state, None


def _between(x: Tensor, count: int, begin: int, end: int) -> Tensor:
    """What of a tensor (B, T or T·n, ...) belongs to some of T = `count` steps."""
    each = x.shape[1] // count
    return x[:, begin * each : end * each]


def _run(steps: Steps, state: Tensor, scale: float, o: Tensor) -> Kept:
    """Fill o."""
    batch, count, heads, keys = steps.q.shape
    values, chunks = steps.v.shape[-1], -(-count * steps.updates // ROWS)
    last = torch.empty_like(state)
    starts = state.new_empty(batch, heads, chunks, keys, values)
    written = state.new_empty(batch, heads, chunks, ROWS, values)
    gamma = _sums(steps, chunks)
    blocks = _blocks(steps, gamma, scale, chunks, written)
    numbers = _numbers(steps, scale, chunks)
    chain = {"leaving": blocks.leaving, "erased": blocks.erased, "gamma": gamma}
    _launch(
        "states",
        {**chain, "first": state, "last": last, "starts": starts, "new": written},
        numbers,
    )
    _launch(
        "outputs",
        {"starts": starts, "weights": blocks.weights, "entering": blocks.entering, "new": written}
        | _strided({"o": o}),
        numbers,
    )
    return Kept(starts, written, last)


def backward(
    steps: Steps, kept: Kept, grad_o: Tensor, grad_last: Tensor, scale: float
) -> tuple[Steps, Tensor]:
    """The gradients of the steps and of the first state; where k is erased, k has that of both."""
    steps, grad_o, grad_last = steps.map(_readable), _readable(grad_o), grad_last.contiguous()
    starts, written = kept.starts, kept.written
    assert written is not None
    delta = steps.erase is steps.k
    own = steps._replace(erase=None) if delta else steps
    grads = own.map(torch.empty_like)
    first, after, new = (torch.empty_like(x) for x in (grad_last, starts, written))
    chunks = starts.shape[2]
    gamma = _sums(steps, chunks)
    numbers, given = _numbers(steps, scale, chunks), _strided({"o": grad_o})
    blocks = _blocks(steps, gamma, scale, chunks, None)
    chain = {"gamma": gamma, "after": after, "grad_new": new}
    _launch(
        "states_back",
        {**blocks._asdict(), **chain, **given, "grad_last": grad_last, "grad_first": first},
        numbers,
    )
    places = _strided({f"d{name}": x for name, x in _operands(grads).items()})
    operands = _strided(_operands(steps))
    _launch(
        "gradients",
        {**operands, **places, **given, **chain, "starts": starts, "new": written},
        {**numbers, "DELTA": delta},
    )
    return grads, first


def _sums(steps: Steps, chunks: int) -> Tensor:
    """Γ (B·H, M, C, 1 or K) in float64; without decay nothing reads it."""
    if steps.g is None:
        return steps.q
    batch, _, heads, gates = steps.g.shape
    gamma = steps.g.new_empty(batch * heads, chunks, ROWS, gates, dtype=torch.float64)
    _launch(
        "sums",
        {"gamma": gamma, **_strided({"g": steps.g})},
        {**_numbers(steps, 1.0, chunks), "gates": gates},
    )
    return gamma


def _blocks(steps: Steps, gamma: Tensor, scale: float, chunks: int, new: Tensor | None) -> Blocks:
    batch, _, heads, keys = steps.q.shape
    rows = batch * heads * chunks
    sizes = (ROWS, ROWS, keys, keys, keys)
    found = Blocks(*[steps.q.new_empty(rows, ROWS, size) for size in sizes])
    _launch(
        "blocks",
        {
            **_strided(_operands(steps)),
            **found._asdict(),
            "gamma": gamma,
            "new": found.weights if new is None else new,
        },
        {**_numbers(steps, scale, chunks), "NEW": new is not None},
    )
    return found


def _operands(steps: Steps) -> dict[str, Tensor]:
    """Tensors by name; one that is absent is never read, but has to be somewhere."""
    return {name: steps.q if x is None else x for name, x in zip(Steps._fields, steps, strict=True)}


def _strided(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Tensors and how far apart their rows, heads and steps are."""
    strides = {
        f"{name}_{axis}": x.stride(place)
        for name, x in tensors.items()
        for axis, place in (("batch", 0), ("head", 2), ("time", 1))
    }
    return {**tensors, **strides}


def _numbers(steps: Steps, scale: float, chunks: int) -> dict[str, Any]:
    batch, count, heads, keys = steps.q.shape
    precision = {"highest": "ieee", "high": "tf32x3", "medium": "tf32"}
    return {
        "rows": batch * heads,
        "T": count,
        "heads": heads,
        "chunks": chunks,
        "n": steps.updates,
        "keys": keys,
        "values": steps.v.shape[-1],
        "scale": scale,
        "GATED": steps.g is not None,
        "BY_KEY": steps.g is not None and steps.g.shape[-1] > 1,
        "ERASES": steps.erase is not None,
        "SCALED": steps.beta is not None,
        "C": ROWS,
        "PRECISION": precision[torch.get_float32_matmul_precision()],
    }


def _launch(name: str, tensors: dict[str, Any], numbers: dict[str, Any]) -> None:
    # Triton is an extra, and imported when the first kernel runs.
    kernel = import_module(f"ostinato.engines.chunk.on_device.{HOMES[name]}").__dict__[name]
    chosen = tile(name, numbers["keys"], numbers["values"])
    given = {**tensors, **numbers, **chosen.sizes}
    on_device = any(isinstance(x, Tensor) and x.is_cuda for x in tensors.values())
    with nullcontext() if on_device else np.errstate(all="ignore"):
        kernel[chosen.programs(name, given)](
            **{each: given[each] for each in kernel.arg_names},
            num_warps=chosen.warps,
            num_stages=1,
        )


def _readable(x: Tensor) -> Tensor:
    """A tensor whose rows (·, K) have no gaps."""
    return x if x.dim() < 4 or x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def _installed() -> bool:
    try:
        extra("triton", "gpu", "Code for CUDA")
    except ImportError:
        return False
    return True
