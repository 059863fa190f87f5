"""Matrix scans by the functions of flash-linear-attention, in its Triton kernels.

Which function computes a recurrence follows from what is erased and how keys decay:

| erased | no decay, or one for all keys | key by key |
|---|---|---|
| nothing | `chunk_simple_gla` | `chunk_gla` |
| k | `chunk_gated_delta_rule` | `chunk_kda` |
| another key | `chunk_dplr_delta_rule` | `chunk_dplr_delta_rule` |

Gates are logarithms there too. It has one update a step: n updates become n steps, of which the
first decays and the last reads. The last function erases what has not decayed,
S ← (diag(e^g) + b aᵀ) S + k vᵀ, and is given e^g ⊙ a.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.peers import installed

NAME = "flash-linear-attention"


def scan(
    steps: Steps, state: Tensor | None, scale: float, borders: Tensor | None
) -> tuple[Tensor, Tensor]:
    """o (B, T, H, V) in the type of v, and the last state (B, H, K, V) in float32.

    Args:
        steps: of the recurrence; q, k and v are computed in the type that v has, under autocast
            in the one that it asks for.
        state: before the first step; None: zero.
        scale: of q.
        borders: as `cu_seqlens` of `matrix_scan`.

    Raises:
        MissingExtraError: if the library is not installed.
        ArgumentError: if the tensors are not on a CUDA device, or in float64.
    """
    _check(steps)
    n, typed = steps.updates, _precision(steps.v)
    steps = single(steps)
    name, given = chosen(steps.map(lambda x: x.to(typed)), steps.g)
    folder, _, function = name.partition(".")
    run: Any = getattr(import_module(f"fla.ops.{folder}"), function)
    o, last = run(
        **given,
        scale=scale,
        initial_state=None if state is None else state.float(),
        output_final_state=True,
        cu_seqlens=None if borders is None else borders * n,
    )
    return o[:, n - 1 :: n].to(steps.v.dtype), last


def _precision(v: Tensor) -> torch.dtype:
    """In which products are to multiply."""
    device = v.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else v.dtype


def single(steps: Steps) -> Steps:
    """The same with one update a step: T·n steps, and β multiplied out unless k is erased."""
    n = steps.updates
    if n > 1:
        q = F.pad(steps.q[:, :, None], (0, 0, 0, 0, n - 1, 0)).flatten(1, 2)
        g = steps.g
        if g is not None:
            g = F.pad(g[:, :, None], (0, 0, 0, 0, 0, n - 1)).flatten(1, 2)
        steps = steps._replace(q=q, g=g)
    if steps.erase is steps.k or steps.beta is None:
        return steps
    # β k (v − aᵀ S) is (β k) (v − aᵀ S).
    return steps._replace(k=steps.beta[..., None] * steps.k, beta=None)


def chosen(steps: Steps, g: Tensor | None) -> tuple[str, dict[str, Tensor | None]]:
    """The name of the function, "folder.function", and its own arguments.

    Args:
        steps: with one update a step.
        g: the decay in the precision that it was given in.
    """
    q, k, v, _, erase, beta = steps
    given: dict[str, Tensor | None] = {"q": q, "k": k, "v": v}
    by_key = g is not None and g.shape[-1] > 1
    if erase is None:
        if by_key:
            return "gla.chunk_gla", {**given, "g": g}
        return "simple_gla.chunk_simple_gla", {**given, "g": None if g is None else g[..., 0]}
    if erase is k:
        beta = torch.ones_like(k[..., 0]) if beta is None else beta
        g = k.new_zeros(*k.shape[:3], 1, dtype=torch.float32) if g is None else g
        if by_key:
            return "kda.chunk_kda", {**given, "g": g, "beta": beta}
        given |= {"g": g[..., 0], "beta": beta}
        return "gated_delta_rule.chunk_gated_delta_rule", given
    decay = torch.zeros_like(k, dtype=torch.float32) if g is None else g.expand_as(k)
    given |= {"a": (erase * decay.exp()).to(k.dtype), "b": -k, "gk": decay}
    return "generalized_delta_rule.chunk_dplr_delta_rule", given


def _check(steps: Steps) -> None:
    absent = installed.missing("fla", NAME)
    if absent is not None:
        raise MissingExtraError(absent)
    device, dtype = steps.q.device, steps.v.dtype
    if device.type not in installed.DEVICES or dtype == torch.float64:
        raise ArgumentError(
            f"The kernels of {NAME} take tensors on a CUDA device in float32 or lower precision; "
            f"got {dtype} on {device}. Leave out `backend`."
        )
