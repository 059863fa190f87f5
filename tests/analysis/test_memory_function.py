import math

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.analysis.memory_function import MemoryFunction, memory_function
from ostinato.cells import make_cell
from ostinato.cells.residual_drift import ResidualDriftCell
from ostinato.core.errors import ArgumentError
from ostinato.tasks.linear_functional import LinearFunctionalTask

F64 = torch.float64

pytestmark = pytest.mark.usefixtures("quick_compile")


class Functional(ost.Cell):
    """y_t = Σ_s ρ(s) x_{t−s}: the state holds the last inputs."""

    def __init__(self, density):
        super().__init__()
        self.density = nn.Parameter(density)

    def initial_state(self, batch_size):
        return self.zeros(batch_size, len(self.density))

    def forward(self, x, past):
        past = torch.cat([x, past[:, :-1]], -1)
        return (past * self.density).sum(-1, keepdim=True), past


@pytest.mark.parametrize("memory", ["exponential", "polynomial", "airy"])
def test_of_a_linear_functional_it_is_the_size_of_its_density(memory):
    density = LinearFunctionalTask(memory, steps=60).density
    x = torch.tensor([0.5, -2.0], dtype=F64)[:, None, None].expand(2, 60, 1)
    found = memory_function(Functional(density), x)
    torch.testing.assert_close(found.memory, density[1:].abs(), rtol=0, atol=1e-12)


def test_of_a_linear_network_it_is_known():
    cell = ResidualDriftCell(2, 3, activation="identity", step=0.1, mixed=False, dtype=F64)
    head = nn.Linear(3, 1, dtype=F64)
    x = torch.randn(1, 40, 2, dtype=F64)
    found = memory_function(cell, x, head).memory
    # The bias is an input of its own, from the first step on.
    u = cell.input(x[0, 0]).detach()
    powers = (1 - 0.1 * cell.rate.detach()) ** torch.arange(1, 40)[:, None]
    expected = (powers * (0.1 * u * head.weight[0].detach())).sum(1).abs() / x[0, 0].norm()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_it_is_the_largest_over_the_inputs():
    cell = make_cell("GRU", 2, 3, dtype=F64)
    x = torch.randn(4, 20, 2, dtype=F64)
    alone = [memory_function(cell, row[None]).memory for row in x]
    torch.testing.assert_close(memory_function(cell, x).memory, torch.stack(alone).amax(0))


@pytest.mark.parametrize(
    ("density", "decay", "rate", "power"),
    [
        (lambda t: torch.exp(-0.3 * t), "exponential", 0.3, None),
        (lambda t: 2 * (1 + t) ** -1.5, "polynomial", None, 1.5),
    ],
)
def test_the_kind_of_decay_is_recognised(density, decay, rate, power):
    found = MemoryFunction(density(torch.arange(1, 100, dtype=F64)), noise=0.0)
    assert found.decay == decay
    assert rate is None or found.rate == pytest.approx(rate)
    assert power is None or found.power == pytest.approx(power)


def test_rounding_is_left_out_of_the_fit():
    memory = torch.exp(-torch.arange(1, 100, dtype=F64)).clamp_min(1e-12)
    assert MemoryFunction(memory, noise=2e-12).rate == pytest.approx(1.0)
    assert MemoryFunction(memory, noise=0.0).rate < 0.5
    assert math.isnan(MemoryFunction(memory, noise=1.0).rate)


def test_of_a_gated_network_it_decays():
    found = memory_function(make_cell("LSTM", 2, 8), torch.randn(3, 200, 2))
    assert found.memory[:5].mean() > 100 * found.memory[-50:].mean()
    assert found.noise < 1e-4


def test_table_and_picture():
    found = MemoryFunction(torch.ones(5), noise=0.0)
    assert [row[0] for row in found.table().rows] == [1, 2, 4, 5]
    assert found.plot().axes[0].get_ylabel().startswith("memory")


@pytest.mark.parametrize("x", [torch.zeros(2, 5, 3), torch.ones(2, 1, 3), torch.ones(2, 0, 3)])
def test_what_cannot_be_measured_is_refused(x):
    with pytest.raises(ArgumentError, match="2 or more steps, and first inputs other than 0"):
        memory_function(make_cell("Elman", 3, 2), x)
