"""Square matrices that lengthen no vector, from free numbers.

The forms, with A, B, d and u free::

    diagonal     diag(tanh 5 d)
    svd          exp(A − Aᵀ) diag(tanh 5 d) exp(B − Bᵀ)
    qr           Q diag(tanh 5 d),  Q R = I + A, the diagonal of R positive
    householder  Π_j (I − 2 u_j u_jᵀ / |u_j|²) diag(tanh 5 d)
    limit        (I + A) diag(tanh 5 d) / max(1, largest singular value of I + A)

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997: transitions between J states of a head.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ostinato.cells.discretise import widened
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("plstm",)


def transition_numbers(form: str, size: int) -> int:
    """How many free numbers a J × J matrix takes; the J of its diagonal d come last.

    Args:
        form: "diagonal", "svd", "qr", "householder" or "limit".
        size: J.

    Raises:
        ArgumentError: if there is no such form.
    """
    if form not in _FORMS:
        raise ArgumentError(f"No transition is called {form!r}. {nearest(form, _FORMS)}")
    squares, _ = _FORMS[form]
    return squares * size**2 + size


def stable_transition(form: str, numbers: Tensor, size: int) -> Tensor:
    """Matrices (..., J, J) whose largest singular value is at most 1.

    Args:
        form: as for `transition_numbers`.
        numbers: (..., transition_numbers(form, J)).
        size: J.
    """
    squares, build = _FORMS[form]
    with torch.autocast(numbers.device.type, enabled=False):
        wide = widened(numbers)
        free = torch.unflatten(wide[..., : squares * size**2], -1, (squares, size, size))
        return build(free, torch.tanh(5 * wide[..., squares * size**2 :])).to(numbers.dtype)


def _svd(free: Tensor, diagonal: Tensor) -> Tensor:
    left, right = torch.linalg.matrix_exp((free - free.mT).contiguous()).unbind(-3)
    matrix: Tensor = (left * diagonal.unsqueeze(-2)) @ right
    return matrix


def _qr(free: Tensor, diagonal: Tensor) -> Tensor:
    q, r = torch.linalg.qr(_near_one(free))
    # without this the signs of Q jump where a diagonal element of R passes zero
    matrix: Tensor = q * (r.diagonal(dim1=-2, dim2=-1).sign() * diagonal).unsqueeze(-2)
    return matrix


def _householder(free: Tensor, diagonal: Tensor) -> Tensor:
    product = torch.diag_embed(diagonal)
    for u in free.squeeze(-3).unbind(-2):
        u = u / u.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        product = product - 2 * u.unsqueeze(-1) * (u.unsqueeze(-2) @ product)
    return product


def _limit(free: Tensor, diagonal: Tensor) -> Tensor:
    matrix = _near_one(free)
    largest = torch.linalg.matrix_norm(matrix, 2).clamp_min(1)
    limited: Tensor = matrix * (diagonal / largest[..., None]).unsqueeze(-2)
    return limited


def _near_one(free: Tensor) -> Tensor:
    """I + A."""
    return torch.eye(free.shape[-1], dtype=free.dtype, device=free.device) + free.squeeze(-3)


_FORMS: dict[str, tuple[int, Callable[[Tensor, Tensor], Tensor]]] = {
    "diagonal": (0, lambda free, diagonal: torch.diag_embed(diagonal)),
    "svd": (2, _svd),
    "qr": (1, _qr),
    "householder": (1, _householder),
    "limit": (1, _limit),
}
