"""Every size, batch and length, on one and two threads, on lesser registers too."""

from __future__ import annotations

from threading import Thread

import pytest
import torch

import ostinato as ost
from ostinato.engines.fused import kernel, routines, toolchain
from ostinato.engines.fused.routines import pack

from .kernels import both, needs_compiler

ROWS = (1, 2, 3, 4, 5, 6, 7, 23, 24, 25, 49)
pytestmark = needs_compiler


class Gated(ost.Cell):
    """Two products, a vector, a sum over features: D = H."""

    def __init__(self, size, dtype):
        super().__init__()
        self.size = size
        self.recur = torch.nn.Linear(size, 2 * size, dtype=dtype)
        self.vector = torch.nn.Parameter(torch.randn(size, dtype=dtype))

    def initial_state(self, batch_size):
        return self.zeros(batch_size, self.size)

    def forward(self, x, h):
        gate, new = self.recur(h).chunk(2, -1)
        new = torch.tanh(new + x) * self.vector - h.mean(-1, keepdim=True)
        h = torch.sigmoid(gate) * h + (1 - torch.sigmoid(gate)) * new
        return h, h


def compare(cell, rows, steps, reverse=False, prepare=lambda t: t):
    """The cell on both engines, outputs and gradients; one kernel serves all calls."""
    dtype, size = cell.vector.dtype, cell.size
    x = torch.randn(rows, steps, size, dtype=dtype)
    h = torch.randn(rows, size, dtype=dtype)
    results = []
    for engine in ("fused", "reference"):
        u, s = (t.clone().requires_grad_() for t in (x, h))
        y, last = ost.RNN(cell, engine, reverse=reverse)(prepare(u), s)
        loss = (y * y).sum() + (last * h).sum()
        results.append([y, last, *torch.autograd.grad(loss, [u, s, *cell.parameters()])])
    exact = 1e-10 if dtype is torch.float64 else 1e-4
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=exact, atol=exact)


@pytest.mark.parametrize("size", [1, 2, 3, 15, 16, 17, 31, 33, 63, 65, 100])
def test_tails_of_features(size, quick_compile):
    cell = Gated(size, torch.float64)
    for rows, steps in ((1, 1), (3, 2), (25, 3)):
        compare(cell, rows, steps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_of_rows_and_steps(dtype):
    cell = Gated(17, dtype)
    for i, rows in enumerate(ROWS):
        compare(cell, rows, 1 + i % 3, reverse=i % 2 == 1)


def test_two_threads_compute_what_one_does():
    torch.set_num_threads(2)
    cell = Gated(17, torch.float64)
    for rows in (8, 23, 49):
        compare(cell, rows, 3)


def test_a_team_of_threads_computes_what_one_does(monkeypatch):
    monkeypatch.setattr(kernel, "_HEAVY", 0)
    for size in (5, 17, 100):
        cell = Gated(size, torch.float64)
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for rows in (1, 3):
                compare(cell, rows, 4)


def test_without_openmp_a_pool_does_it(monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(kernel, "openmp", lambda: None)
    monkeypatch.setattr(kernel, "_HEAVY", 0)
    cell = Gated(17, torch.float64)
    for rows in (1, 23):
        compare(cell, rows, 3)


def test_calls_from_several_threads_have_teams_of_their_own(monkeypatch):
    monkeypatch.setattr(kernel, "_HEAVY", 0)
    torch.set_num_threads(2)
    cell = Gated(33, torch.float64)
    compare(cell, 1, 2)
    workers = [Thread(target=compare, args=(cell, 1, 50)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda x: x.mT.contiguous().mT,
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: torch.cat([x, x], -1)[..., : x.shape[-1]],
        lambda x: x[:, :1].expand_as(x),
        lambda x: x[:1].expand_as(x),
        lambda x: x[..., :1].expand_as(x),
        lambda x: x.flip(1),
    ],
)
def test_inputs_in_any_layout(prepare):
    compare(Gated(17, torch.float64), 9, 3, prepare=prepare)


def test_a_state_in_any_layout():
    cell = Gated(17, torch.float64)
    x = torch.randn(5, 3, 17, dtype=torch.float64)
    for h in (torch.randn(17, 5).double().T, torch.randn(1, 17).double().expand(5, 17)):
        with torch.no_grad():
            found, expected = (ost.RNN(cell, engine)(x, h) for engine in ("fused", "reference"))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("flags", ["-mavx2 -mfma -mno-avx512f", "-march=x86-64"])
def test_lesser_processors_give_the_same_numbers(monkeypatch, flags):
    if "avx" in flags and "avx2" not in toolchain._cpu():
        pytest.skip("this processor has no such registers")
    monkeypatch.setenv("OSTINATO_CXXFLAGS", flags)
    routines.routines.cache_clear()
    try:
        width = routines.routines(torch.float32).register_bytes()
        assert width == (32 if "avx2" in flags else 16)
        for dtype in (torch.float32, torch.float64):
            cell = Gated(33, dtype)
            for rows in (1, 2, 7, 25):
                compare(cell, rows, 2)
    finally:
        monkeypatch.undo()
        routines.routines.cache_clear()


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 100)])
def test_panels_hold_every_column_and_zeros_after_it(shape):
    matrix = torch.randn(shape)
    panels = pack(matrix)
    wide = panels.transpose(-3, -2).flatten(-2)
    assert torch.equal(wide[..., : shape[-1]], matrix)
    assert not wide[..., shape[-1] :].any()
    assert panels.is_contiguous()


def test_weights_are_read_at_every_call():
    cell = Gated(3, torch.float64)
    compare(cell, 2, 3)
    with torch.no_grad():
        cell.recur.weight.mul_(0.5)
        cell.vector.add_(1)
    compare(cell, 2, 3)


def test_a_transposed_and_a_shared_weight():
    w = torch.randn(6, 6, dtype=torch.float64).T.requires_grad_()

    def step(h, x):
        h = torch.tanh(h @ w + torch.tanh(h @ w.T + x) @ w)
        return h, h

    h, x = torch.randn(3, 6).double(), torch.randn(4, 3, 6).double()
    both(step, h, x, [w])
