"""How much the states of one LSSL hold of the first segments, whatever is learned of them.

States at the end are linear in the signal, x = K u, which is levels plus noise, u = S l + n. So the
best linear reading of the levels follows, and how often it has their signs right
without training::

    x = K (S l + n) + e,   e_i ~ N(0, p² ‖K_i‖²)             states of a relative precision p
    a = S_jᵀ Kᵀ (K C Kᵀ + D)^{-1} K S_j,   C = S Sᵀ + σ² I   share of level j that is read
    P(sign of j right) = Φ(√(a / (1 − a)))                   the rest taken for normal

What a net that is trained on the task stays below this is not for want of memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.cells.lssl import LSSLCell
from ostinato.models.time.krylov import krylov
from ostinato.tasks.first_segments import FirstSegmentsTask

PRECISIONS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Of the states; the last one is what float32 holds after some hundred steps."""


@torch.no_grad()
def readings(cell: LSSLCell, task: FirstSegmentsTask) -> list[float]:
    """How often a linear reading of all states names all levels that are asked for, in percent.

    Args:
        cell: whose A, B and δ are taken; it reads the signal in every feature.
        task: gives the lengths and the noise.

    Returns:
        One number for each of `PRECISIONS`.
    """
    steps = task.segments * task.width
    held, hold = cell.discretised()
    states = krylov(held.double(), hold.double(), steps).flip(-1).flatten(0, 1)
    seen, directions = _principal(states / states.norm(dim=1, keepdim=True))
    levels = torch.eye(task.segments).double().repeat_interleave(task.width, 0)
    inside = directions @ levels
    signal = inside @ inside.T + task.noise**2 * torch.eye(len(seen)).double()
    return [_right(signal, inside[:, : task.asked], precision / seen) for precision in PRECISIONS]


def _principal(states: Tensor) -> tuple[Tensor, Tensor]:
    """How strongly directions of the signal are seen (r,), and these (r, T)."""
    _, seen, directions = torch.linalg.svd(states, full_matrices=False)
    return seen.clamp_min(torch.finfo(seen.dtype).eps * seen[0]), directions


def _right(signal: Tensor, asked: Tensor, error: Tensor) -> float:
    """Percent of signals whose levels all have the right sign.

    Args:
        signal: covariance (r, r) of the signal in the directions that are seen.
        asked: the levels that are asked for in these directions (r, asked).
        error: standard deviation (r,) of what is added there.
    """
    share = (asked * torch.linalg.solve(signal + torch.diag(error**2), asked)).sum(0)
    one = torch.special.ndtr((share / (1 - share)).sqrt())
    return 100 * float(one.prod())
