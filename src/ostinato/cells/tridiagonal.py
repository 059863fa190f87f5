"""Tridiagonal matrices: products, and solutions by elimination, O(N) for each right-hand side.

    T = tridiag(l, d, u):   (T x)_i = l_i x_{i−1} + d_i x_i + u_i x_{i+1}

Elimination is a recurrence along the rows of the matrix, and substitution one back, so that both
are scans, and their gradients too. There is no pivoting, hence no guard against a pivot near 0.

Source: Thomas 1949, "Elliptic problems in linear difference equations over a network".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.core.scan import scan

Diagonals = tuple[Tensor, Tensor, Tensor]
"""l, d and u, each (..., N); l_0 and u_{N−1} are not part of the matrix, and taken for 0."""


def multiply(t: Diagonals, x: Tensor) -> Tensor:
    """T x, of x (..., N, K)."""
    lower, diagonal, upper = (each[..., None] for each in t)
    above = torch.nn.functional.pad(x[..., :-1, :], (0, 0, 1, 0))
    below = torch.nn.functional.pad(x[..., 1:, :], (0, 0, 0, 1))
    return lower * above + diagonal * x + upper * below


def solve(t: Diagonals, x: Tensor) -> Tensor:
    """T^{-1} x, of x (H, N, K) with T of one matrix (N) or of H (H, N)."""
    rows = [each.expand(*x.shape[:-1])[..., None].transpose(0, 1) for each in t]
    zero, right = x.new_zeros(len(x), 1), x.transpose(0, 1)
    begin = (zero, torch.zeros_like(right[0]))
    _, reduced = scan(_eliminate, begin, (*rows, right))
    found: Tensor = scan(_substitute, begin[1], reduced, reverse=True)[1]
    return found.transpose(0, 1)


def dense(t: Diagonals) -> Tensor:
    """T itself (..., N, N)."""
    lower, diagonal, upper = t
    parts = (lower[..., 1:], -1), (diagonal, 0), (upper[..., :-1], 1)
    whole: Tensor = sum(torch.diag_embed(part, offset) for part, offset in parts)  # type: ignore[assignment]
    return whole


def _eliminate(above: Any, row: Any) -> tuple[Any, Any]:
    """A row without its lower element: what is left of the upper one, and the right-hand side."""
    (ratio, solved), (lower, diagonal, upper, right) = above, row
    pivot = diagonal - lower * ratio
    reduced = (upper / pivot, (right - lower * solved) / pivot)
    return reduced, reduced


def _substitute(below: Tensor, row: Any) -> tuple[Tensor, Tensor]:
    ratio, solved = row
    found = solved - ratio * below
    return found, found
