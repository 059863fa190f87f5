"""The second-order cells as forms of one another.

    Elman ⊂ CPRNN of rank 1 ⊂ … ⊂ CPRNN of rank R ⊂ … ⊂ second order
    MIRNN ⊂ CPRNN of rank H:   A = U, B = W, C = diag(α), V = diag(β) U, first-order input diag(γ) W
    second order = CPRNN of rank H · min(H, D)

All of these conversions are exact. To a smaller rank, a least-squares fit of the tensor by
alternating least squares (CP-ALS) finds the factors.

Source: Lizaire, Rizvi-Martel, Gamal Abdel Hameed & Rabusseau 2024, "A tensor decomposition
perspective on second-order RNNs", arXiv 2406.05045, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ostinato.cells.cprnn import CPRNNCell
from ostinato.cells.elman import ElmanCell
from ostinato.cells.mirnn import MIRNNCell
from ostinato.cells.second_order import SecondOrderCell
from ostinato.core.errors import ArgumentError
from ostinato.core.extras import extra
from ostinato.core.state import map_state

__papers__ = ("cprnn",)

SecondOrderForm = ElmanCell | MIRNNCell | CPRNNCell | SecondOrderCell
Factors = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Terms:
    """What all forms consist of: φ(T ×₁ h ×₂ x + V h + U x + b).

    Attributes:
        recur: V (H, H).
        input: U (H, D).
        bias: b (H,).
        factors: A (R, H), B (R, D), C (H, R) of T; None: T is only known as a whole.
        tensor: T (H, D, H), T_ijk = Σ_r A_ri B_rj C_kr.
    """

    recur: Tensor
    input: Tensor
    bias: Tensor
    factors: Factors | None
    tensor: Tensor


@torch.no_grad()
def terms(cell: SecondOrderForm) -> Terms:
    """The terms of a cell.

    Raises:
        ArgumentError: if it is none of the four forms.
    """
    H, D = cell.hidden_size, cell.input_size
    zeros = next(cell.parameters()).new_zeros
    match cell:
        case SecondOrderCell(transition=transition, input=input):
            tensor = transition.weight.view(H, H, D).permute(1, 2, 0)
            if input is None:
                return _detached(zeros(H, H), zeros(H, D), zeros(H), None, tensor)
            return _detached(transition.bias.view(H, H), input.weight, input.bias, None, tensor)
        case CPRNNCell(recur=recur, input=input, output_factor=output):
            factors = (cell.state_factor.weight, cell.input_factor.weight, output.weight)
            if recur is None or input is None:
                return _of_rank(zeros(H, H), zeros(H, D), output.bias, factors)
            return _of_rank(recur.weight, input.weight, output.bias, factors)
        case MIRNNCell():
            U, W = cell.recur.weight, cell.input.weight
            V, first = cell.state_gain[:, None] * U, cell.input_gain[:, None] * W
            return _of_rank(V, first, cell.bias, (U, W, cell.product.diag()))
        case ElmanCell(recur=nn.Linear() as recur, input=nn.Linear() as input):
            bias = zeros(H) + sum(b for b in (input.bias, recur.bias) if b is not None)
            factors = zeros(1, H), zeros(1, D), zeros(H, 1)
            return _of_rank(recur.weight, input.weight, bias, factors)
    raise ArgumentError(
        f"{type(cell).__name__} is no second-order form: expected an ElmanCell, MIRNNCell, "
        "CPRNNCell or SecondOrderCell with plain linear maps."
    )


@torch.no_grad()
def to_second_order(cell: SecondOrderForm) -> SecondOrderCell:
    """The second-order cell that computes the same; its first-order part may be zero."""
    found = terms(cell)
    new = SecondOrderCell(cell.input_size, cell.hidden_size, activation=cell.activation)
    new.to(found.bias)
    assert new.input is not None
    new.transition.weight.copy_(found.tensor.permute(2, 0, 1).flatten(0, 1))
    new.transition.bias.copy_(found.recur.flatten())
    new.input.weight.copy_(found.input)
    new.input.bias.copy_(found.bias)
    return new


@torch.no_grad()
def to_cprnn(
    cell: SecondOrderForm, rank: int | None = None, iterations: int = 1000, seed: int = 0
) -> CPRNNCell:
    """The CPRNN that computes the same, or of smaller rank nearly the same.

        small = to_cprnn(trained, rank=16)      # nearest T of rank 16, then train on

    Args:
        cell: an Elman, MIRNN, CPRNN or second-order cell.
        rank: R; None: the least that is exact whatever the weights, 1, H, that of the cell, or
            H · min(H, D). Below it T is fitted.
        iterations: the most of the fit.
        seed: of the factors with which the fit begins.

    Raises:
        ArgumentError: if the cell is none of these, or the rank is below 1.
        MissingExtraError: if T has to be fitted, without tensorly.
    """
    found = terms(cell)
    A, B, C = _exact(found.tensor) if found.factors is None else found.factors
    rank = len(A) if rank is None else rank
    new = CPRNNCell(cell.input_size, cell.hidden_size, rank=rank, activation=cell.activation)
    new.to(found.bias)
    if rank < len(A):
        A, B, C = _fit(found.tensor, rank, iterations, seed)
    assert new.recur is not None
    assert new.input is not None
    for parameter in (new.state_factor.weight, new.input_factor.weight, new.output_factor.weight):
        parameter.zero_()
    # Further components of a larger rank are zero.
    new.state_factor.weight[: len(A)] = A
    new.input_factor.weight[: len(A)] = B
    new.output_factor.weight[:, : len(A)] = C
    new.output_factor.bias.copy_(found.bias)
    new.recur.weight.copy_(found.recur)
    new.input.weight.copy_(found.input)
    return new


def _of_rank(recur: Tensor, input: Tensor, bias: Tensor, factors: Factors) -> Terms:
    tensor = torch.einsum("ri,rj,kr->ijk", *factors)
    return _detached(recur, input, bias, factors, tensor)


def _detached(
    recur: Tensor, input: Tensor, bias: Tensor, factors: Factors | None, tensor: Tensor
) -> Terms:
    found = map_state(torch.Tensor.detach, (recur, input, bias, factors, tensor))
    return Terms(*found)


def _exact(tensor: Tensor) -> Factors:
    """Factors of H · min(H, D) components: one for each fibre along the shorter of two axes."""
    H, D, _ = tensor.shape
    eye, one = torch.eye(H).to(tensor), torch.eye(min(H, D)).to(tensor)
    first, second = eye.repeat_interleave(len(one), 0), one.repeat(H, 1)
    if D <= H:
        return first, second, tensor.flatten(0, 1).T
    return first, tensor.transpose(1, 2).flatten(0, 1), second.T


def _fit(tensor: Tensor, rank: int, iterations: int, seed: int) -> Factors:
    parafac = extra("tensorly.decomposition", "tensor", "A CP decomposition of smaller rank")
    weights, (A, B, C) = parafac.parafac(
        tensor.double().cpu().numpy(),
        rank,
        n_iter_max=iterations,
        init="random",
        tol=1e-10,
        random_state=seed,
    )
    factors = [torch.from_numpy(each.T.copy()) for each in (A, B, C * weights)]
    # Shared equally, so that no factor learns faster than the others afterwards.
    norms = torch.stack([factor.norm(dim=1) for factor in factors])
    scales = norms.prod(0) ** (1 / 3) / norms.clamp_min(1e-30)
    a, b, c = (f * s[:, None] for f, s in zip(factors, scales, strict=True))
    return a.to(tensor), b.to(tensor), c.T.to(tensor)
