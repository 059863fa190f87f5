"""The recurrence of a matrix state on CUDA, through Triton; or through its interpreter in tests."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.core.extras import extra
from ostinato.engines.chunk.kernel import Kept
from ostinato.engines.chunk.steps import Steps

# Larger matrices leave a program no registers.
_WIDEST = 64
# Rows of a chunk, and warps of a program: with these the fewest registers spill.
ROWS, WARPS = 32, 8


def compiled(steps: Steps) -> bool:
    """Whether there is a kernel for these steps."""
    shared = steps.g is None or steps.g.shape[-1] == 1
    small = max(steps.q.shape[-1], steps.v.shape[-1]) <= _WIDEST
    on_device = steps.q.device.type == "cuda" and steps.q.dtype == torch.float32
    return shared and small and on_device and _installed()


def forward(
    steps: Steps, state: Tensor, scale: float, keep: bool
) -> tuple[Tensor, Tensor, Kept | None]:
    """o (B, T, H, V), the last state (B, H, K, V), and what the gradient needs, if `keep`."""
    steps, state = steps.map(_readable), state.contiguous()
    batch, count, heads, keys = steps.q.shape
    values, chunks = steps.v.shape[-1], -(-count * steps.updates // ROWS)
    o, last = state.new_empty(batch, count, heads, values), torch.empty_like(state)
    starts = state.new_empty((batch, heads, chunks, keys, values) if keep else (1,))
    written = state.new_empty((batch, heads, chunks, ROWS, values) if keep else (1,))
    _launch(
        "forward",
        {**_operands(steps), "o": o},
        {"first": state, "last": last, "starts": starts, "written": written},
        {**_numbers(steps, scale, chunks), "KEEP": keep},
    )
    return o, last, Kept(starts, written, last) if keep else None


def backward(
    steps: Steps, kept: Kept, grad_o: Tensor, grad_last: Tensor, scale: float
) -> tuple[Steps, Tensor]:
    """The gradients of the steps and of the first state; where k is erased, k has that of both."""
    steps, grad_o, grad_last = steps.map(_readable), _readable(grad_o), grad_last.contiguous()
    grads = Steps(*[None if x is None else torch.empty_like(x) for x in steps])  # type: ignore[arg-type]
    first = torch.empty_like(grad_last)
    places = {f"d{name}": x for name, x in _operands(grads).items()}
    _launch(
        "backward",
        {**_operands(steps), "o": grad_o, **places},
        {
            "starts": kept.starts,
            "written": kept.written,
            "grad_first": first,
            "grad_last": grad_last,
        },
        _numbers(steps, scale, kept.starts.shape[2]),
    )
    if steps.erase is steps.k:
        assert grads.erase is not None
        grads = grads._replace(k=grads.k + grads.erase, erase=None)
    return grads, first


def _operands(steps: Steps) -> dict[str, Tensor]:
    """Tensors by name; one that is absent is never read, but has to be somewhere."""
    return {name: steps.q if x is None else x for name, x in zip(Steps._fields, steps, strict=True)}


def _numbers(steps: Steps, scale: float, chunks: int) -> dict[str, Any]:
    _, count, heads, keys = steps.q.shape
    values = steps.v.shape[-1]
    precision = {"highest": "ieee", "high": "tf32x3", "medium": "tf32"}
    return {
        "T": count,
        "heads": heads,
        "chunks": chunks,
        "n": steps.updates,
        "keys": keys,
        "values": values,
        "scale": scale,
        "GATED": steps.g is not None,
        "ERASES": steps.erase is not None,
        "SCALED": steps.beta is not None,
        "C": ROWS,
        "K": _padded(keys),
        "V": _padded(values),
        "PRECISION": precision[torch.get_float32_matmul_precision()],
    }


def _padded(size: int) -> int:
    """A power of 2 that the matrix units take."""
    return max(16, 1 << (size - 1).bit_length())


def _launch(
    name: str, strided: dict[str, Tensor], flat: dict[str, Tensor], numbers: dict[str, Any]
) -> None:
    # Triton is an extra, and imported when the first kernel runs.
    from ostinato.engines.chunk import on_device

    batch, _, heads, _ = strided["q"].shape
    strides = {
        f"{tensor}_{axis}": x.stride(place)
        for tensor, x in strided.items()
        for axis, place in (("batch", 0), ("head", 2), ("time", 1))
    }
    quiet = nullcontext() if strided["q"].is_cuda else np.errstate(all="ignore")
    with quiet:
        getattr(on_device, name)[(batch * heads,)](
            **strided, **flat, **strides, **numbers, num_warps=WARPS, num_stages=1
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
