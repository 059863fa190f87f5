"""Liquid time-constant network: units in continuous time, joined by conductances.

    s_ij = w_ij σ(α_ij (v_j − μ_ij)),    r_ik likewise of the inputs u_k = a_k x_k + b_k
    c_i dv_i/dt = g_i (V_i − v_i) + Σ_j s_ij (E_ij − v_i) + Σ_k r_ik (E'_ik − v_i)

A step of Δt takes L semi-implicit Euler steps of δ = Δt / L, with s of the state before each:

    v_i ← (c_i/δ v_i + g_i V_i + Σ_j s_ij E_ij + Σ_k r_ik E'_ik)
          / (c_i/δ + g_i + Σ_j s_ij + Σ_k r_ik)

so that v stays between the least and the largest of where it was, V and E, however large δ is.

Source: Hasani, Lechner, Amini, Rus & Grosu 2021, "Liquid time-constant networks", AAAI, arXiv
2006.04439.
Deviation: w, c and g are kept positive by softplus rather than by cutting them after each update,
which any optimiser would have to know of; and the output is v as it is, for a linear map of its
scale and offset follows anyway.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.elapsed import with_elapsed
from ostinato.cells.wiring import Wiring, fully_connected
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError

__papers__ = ("sparse-lowrank-cfc",)


class Synapses(nn.Module):
    """Conductances from N sources to H units: Σ_j s_ij E_ij and Σ_j s_ij.

    Args:
        polarity: (H, N): 1 excites, −1 inhibits, 0: there is no synapse.
        device: of the parameters.
        dtype: of the parameters.
    """

    exists: Tensor

    def __init__(
        self, polarity: Tensor, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> None:
        super().__init__()
        shape = polarity.shape
        self.register_buffer("exists", (polarity != 0).to(device))
        self.weight = nn.Parameter(_positive(shape, 0.001, 1.0, device, dtype))
        self.slope = nn.Parameter(torch.empty(shape, device=device, dtype=dtype).uniform_(3, 8))
        self.center = nn.Parameter(
            torch.empty(shape, device=device, dtype=dtype).uniform_(0.3, 0.8)
        )
        self.reversal = nn.Parameter(polarity.to(self.slope))

    def strength(self) -> Tensor:
        """w, (H, N)."""
        return torch.where(self.exists, F.softplus(self.weight), 0)

    def forward(self, v: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        """Of sources (B, N) to currents and conductances, (B, H) each."""
        s = strength * torch.sigmoid(self.slope * (v[:, None, :] - self.center))  # (B, H, N)
        return (s * self.reversal).sum(-1), s.sum(-1)


class LTCCell(Cell):
    """The LTC; the state is v, the output that of the motor units, all if there is no wiring.

    Args:
        input_size: D.
        hidden_size: H.
        wiring: which units are joined, of D inputs and H units; None: all.
        unfolds: L.
        device: of the parameters.
        dtype: of the parameters.

    Shapes: x (B, D), or x with the time since the step before (B, 1); state (B, H).

    Raises:
        ArgumentError: if the wiring has another size, or there is no unfold.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        wiring: Wiring | None = None,
        unfolds: int = 6,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        wiring = fully_connected(input_size, hidden_size) if wiring is None else wiring
        if wiring.sensory.shape != (hidden_size, input_size) or unfolds < 1:
            raise ArgumentError(
                f"LTC needs a wiring of {input_size} inputs and {hidden_size} units, and at least "
                f"1 unfold; got one of {wiring.inputs} and {wiring.units}, and {unfolds}."
            )
        self.input_size, self.hidden_size, self.unfolds = input_size, hidden_size, unfolds
        self.outputs = wiring.outputs
        size, place = (hidden_size,), (device, dtype)
        self.gain = nn.Parameter(torch.ones(input_size, device=device, dtype=dtype))
        self.offset = nn.Parameter(torch.zeros(input_size, device=device, dtype=dtype))
        self.sensory = Synapses(wiring.sensory, *place)
        self.recur = Synapses(wiring.synapses, *place)
        self.leak = nn.Parameter(_positive(size, 0.001, 1.0, *place))
        self.capacity = nn.Parameter(_positive(size, 0.4, 0.6, *place))
        self.rest = nn.Parameter(torch.empty(size, device=device, dtype=dtype).uniform_(-0.2, 0.2))

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, H)."""
        return self.zeros(batch_size, self.hidden_size)

    def forward(self, x: Any, v: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, D) or (x, elapsed (B, 1)), v (B, H)."""
        features, elapsed = with_elapsed(x)
        u, strength = self.gain * features + self.offset, self.recur.strength()
        current, conductance = self.sensory(u, self.sensory.strength())
        leak, capacity = F.softplus(self.leak), F.softplus(self.capacity)
        current, conductance = current + leak * self.rest, conductance + leak
        # δ/c instead of c/δ: no time at all is then no division by zero.
        rate = elapsed / (self.unfolds * capacity)
        for _ in range(self.unfolds):
            inflow, opened = self.recur(v, strength)
            v = (v + rate * (current + inflow)) / (1 + rate * (conductance + opened))
        return v[:, : self.outputs], v


def _positive(
    shape: tuple[int, ...],
    low: float,
    high: float,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Tensor:
    """What softplus maps to U(low, high)."""
    wanted = torch.empty(shape, device=device, dtype=dtype).uniform_(low, high)
    return wanted + torch.log(-torch.expm1(-wanted))
