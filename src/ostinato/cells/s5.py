"""S5: a diagonal state space with several inputs and outputs, discretised by zero-order hold.

    λ̄   = e^{λ Δ},   λ = −e^α + i ω
    h_t = λ̄ ⊙ h_{t−1} + (λ̄ − 1)/λ ⊙ B x_t                        h complex, of size H
    y_t = 2 Re(C h_t) + D x_t

This is dx/dt = A x + B u with 2H real states, of whose eigenvalues, conjugate pairs, one of each
is kept. λ begins with the eigenvalues of the normal part of HiPPO-LegS, repeated in blocks,

    A_nk = −√(2n+1) √(2k+1) for n > k,  −(n+1) for n = k,  0 for n < k;   A + p pᵀ, p_n = √(n+½)

B and C begin in its eigenbasis, and each Δ is log-uniform in [step_min, step_max].

Source: Smith, Warrington & Linderman 2023, "Simplified State Space Layers for Sequence Modeling",
ICLR 2023, arXiv 2208.04933.
Deviation: −Re λ is trained in logarithms, as in S4D (Gu et al. 2022, arXiv 2206.11893), so that λ
neither leaves the stable half plane nor becomes 0; D is a matrix, not a diagonal, since x may
have another size than y; the state is a pair of real leaves.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ostinato.cells.complex_pair import Pair, polar, real_part, rows, times
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError


class S5Cell(Cell):
    """S5's recurrence; the state is (Re h, Im h), the output y.

    Args:
        input_size: D.
        hidden_size: H, complex numbers of the state, half of the paper's P, and real ones of y.
        blocks: J: λ begins with J copies of the eigenvalues of a matrix of 2H/J states.
        step_min: smallest Δ at the beginning.
        step_max: largest Δ at the beginning.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D); both parts of the state and the output (B, H); `input.weight` (2H, D) is
    B, real rows first; `output.weight` (H, 2H) is [Re C, −Im C].

    Raises:
        ArgumentError: if J does not divide H, or not 0 < step_min ≤ step_max.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        blocks: int = 1,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if blocks < 1 or hidden_size % blocks:
            raise ArgumentError(
                f"blocks must divide the hidden size {hidden_size}; got blocks={blocks}."
            )
        if not 0 < step_min <= step_max:
            raise ArgumentError(
                f"Steps need 0 < step_min <= step_max; got {step_min} and {step_max}."
            )
        self.input_size, self.hidden_size, self.blocks = input_size, hidden_size, blocks
        self.step_min, self.step_max = step_min, step_max
        self.alpha, self.omega, self.log_step = (
            nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype)) for _ in range(3)
        )
        self.input = nn.Linear(input_size, 2 * hidden_size, False, device, dtype)
        self.output = nn.Linear(2 * hidden_size, hidden_size, False, device, dtype)
        self.skip = nn.Linear(input_size, hidden_size, False, device, dtype)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Begin with HiPPO-LegS in its eigenbasis; draw Δ, B, C and D."""
        size, fan_in = 2 * self.hidden_size, max(1, self.input_size)
        values, vectors = hippo_normal(size // self.blocks)
        basis = torch.block_diag(*[vectors] * self.blocks)  # type: ignore[no-untyped-call]
        self.alpha.copy_(torch.log(-values.real).repeat(self.blocks))
        self.omega.copy_(values.imag.repeat(self.blocks))
        nn.init.uniform_(self.log_step, math.log(self.step_min), math.log(self.step_max))
        b = torch.randn(size, self.input_size, dtype=torch.float64) * fan_in**-0.5
        c = torch.randn(self.hidden_size, size, 2, dtype=torch.float64) * max(1, size) ** -0.5
        self.input.weight.copy_(rows(basis.mH @ b.to(basis.dtype)))
        self.output.weight.copy_(real_part(torch.view_as_complex(c) @ basis))
        nn.init.normal_(self.skip.weight, std=fan_in**-0.5)

    def discretised(self) -> tuple[Pair, Pair]:
        """λ̄ and (λ̄ − 1)/λ, each real and imaginary part (H,)."""
        step, decay = torch.exp(self.log_step), torch.exp(self.alpha)
        angle = self.omega * step
        held = polar(torch.exp(-decay * step), angle)
        # λ̄ − 1 without cancellation: λ Δ is as small as 10⁻³, and float32 keeps 7 digits.
        half = torch.sin(angle / 2)
        change = torch.expm1(-decay * step) * torch.cos(angle) - 2 * half * half
        square = decay * decay + self.omega * self.omega
        return held, times((change, held[1]), (-decay / square, -self.omega / square))

    def initial_state(self, batch_size: int) -> Pair:
        """Zeros: real and imaginary part (B, H)."""
        return self.zeros(batch_size, self.hidden_size), self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        """One step: x (B, D), state (Re h, Im h)."""
        u_re, u_im = self.input(x).chunk(2, -1)
        held, hold = self.discretised()
        re, im = times(held, state)
        drive = times(hold, (u_re, u_im))
        state = (re + drive[0], im + drive[1])
        return 2 * self.output(torch.cat(state, -1)) + self.skip(x), state

    def extra_repr(self) -> str:
        """The options, for `print`."""
        return f"blocks={self.blocks}, step_min={self.step_min}, step_max={self.step_max}"


def hippo_normal(size: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of the normal part of HiPPO-LegS, one of each conjugate pair.

    Args:
        size: N, even.

    Returns:
        Values (N/2,) with positive imaginary part, all of real part −½, and vectors (N, N/2),
        both complex128.
    """
    n = torch.arange(size, dtype=torch.float64)
    root = torch.sqrt(n + 0.5)
    # 2 p pᵀ has the entries of −A below its diagonal, so what p pᵀ leaves is skew, but for −½.
    skew = torch.triu(torch.outer(root, root), 1)
    skew = skew - skew.T
    frequencies, vectors = torch.linalg.eigh(-1j * skew)
    half = size // 2
    return torch.complex(torch.full((half,), -0.5).double(), frequencies[half:]), vectors[:, half:]
