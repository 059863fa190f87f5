"""HiPPO matrices: what their states hold, and how the families are related."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.discretise import discretise
from ostinato.cells.hippo import MEASURES, hippo
from ostinato.core.errors import ArgumentError
from ostinato.engines.parallel.affine import affine_scan

F64 = torch.float64


def test_small_ones_by_hand():
    r3 = 3**0.5
    a, b = hippo("legs", 2)
    torch.testing.assert_close(a, torch.tensor([[-1, 0], [-r3, -2]], dtype=F64))
    torch.testing.assert_close(b, torch.tensor([1, r3], dtype=F64))
    a, b = hippo("legt", 2)
    torch.testing.assert_close(a, torch.tensor([[-1, r3], [-r3, -3]], dtype=F64) / 2)
    torch.testing.assert_close(b, torch.tensor([1, r3], dtype=F64) / 2)
    assert hippo("lagt", 2)[0].tolist() == [[-0.5, 0], [-1, -0.5]]
    assert hippo("lmu", 2)[0].tolist() == [[-1, -1], [3, -3]]
    assert hippo("lmu", 2)[1].tolist() == [1, -3]
    a, b = hippo("fout", 4)
    turning = a + torch.outer(b, b)
    assert torch.equal(turning, -turning.T)
    assert turning[3, 2] == pytest.approx(torch.pi)
    assert b.tolist() == pytest.approx([1, 0, 2**0.5, 0])


def test_lmu_is_legt_in_another_scaling():
    """z_n = (−1)^n √(2n+1) x_n, and twice as fast."""
    (a, b), (lmu_a, lmu_b) = hippo("legt", 6), hippo("lmu", 6)
    n = torch.arange(6, dtype=F64)
    scale = (-1) ** n * torch.sqrt(2 * n + 1)
    torch.testing.assert_close(2 * scale[:, None] * a / scale, lmu_a)
    torch.testing.assert_close(2 * scale * b, lmu_b)


@pytest.mark.parametrize("measure", ["legs", "legt", "lagt", "lmu", "fout"])
def test_all_states_decay(measure):
    for size in (2, 8, 32):
        assert torch.linalg.eigvals(hippo(measure, size)[0]).real.max() < 1e-9


def legendre(size, delay):
    """R_n P_n(1 − 2 delay), by Bonnet's recurrence."""
    x, found = 1 - 2 * delay, [1.0, 1 - 2 * delay]
    for n in range(1, size - 1):
        found.append(((2 * n + 1) * x * found[n] - n * found[n - 1]) / (n + 1))
    n = torch.arange(size, dtype=F64)
    return torch.sqrt(2 * n + 1) * torch.tensor(found, dtype=F64)


def fourier(size, delay):
    """1, √2 cos 2πj delay and √2 sin 2πj delay."""
    angle = 2 * torch.pi * delay * torch.arange(size // 2, dtype=F64)
    found = 2**0.5 * torch.stack([angle.cos(), angle.sin()], 1).flatten()
    found[0] = 1
    return found


def lmu(size, delay):
    """P_n(2 delay − 1)."""
    n = torch.arange(size, dtype=F64)
    return legendre(size, delay) * (-1) ** n / torch.sqrt(2 * n + 1)


@pytest.mark.parametrize("delay", [0.25, 0.5, 0.75])
@pytest.mark.parametrize(
    ("measure", "window", "basis", "error"),
    [("legt", 2, legendre, 0.01), ("lmu", 1, lmu, 0.01), ("fout", 2, fourier, 0.1)],
)
def test_the_state_holds_the_window(measure, window, basis, error, delay):
    """The basis at a share of the window, times the state, is the input of that time before."""
    step, steps = 4e-3, 4000
    held, hold = discretise(*hippo(measure, 16), torch.tensor([step], dtype=F64), "zoh")
    t = step * torch.arange(steps, dtype=F64)
    u = torch.sin(1.1 * t) + torch.cos(0.4 * t)
    x = affine_scan(held, u[:, None, None] * hold, kind="dense")[:, 0]
    shift = int(delay * window / step)
    y, wanted = x[2000:] @ basis(16, delay), u[2000 - shift : steps - shift]
    assert (y - wanted).norm() < error * wanted.norm()


def test_a_random_one_is_drawn():
    a, b = hippo("random", 50)
    assert float(a.std() * 50) == pytest.approx(1, rel=0.1)
    assert bool((b == 1).all())
    assert not torch.equal(a, hippo("random", 50)[0])


def test_what_there_is_not():
    with pytest.raises(ArgumentError, match=r"No measure is called 'leg'.*Did you mean"):
        hippo("leg", 4)
    with pytest.raises(ArgumentError, match="'fout' must be even and at least 1; got 3"):
        hippo("fout", 3)
    assert all(a.dtype == F64 for a, _ in (MEASURES[name](4) for name in MEASURES))
