"""`scan`: its signature, its meaning, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import ArgumentError, CellError, EngineError, ShapeError
from ostinato.core.state import leaves


def decay(h, x):
    h = 0.5 * h + x
    return h, 2 * h


def by_hand(h, xs):
    ys = []
    for x in xs:
        h, y = decay(h, x)
        ys.append(y)
    return h, torch.stack(ys)


def test_equals_a_loop_written_by_hand():
    xs, h = torch.randn(6, 3), torch.randn(3)
    assert all(map(torch.equal, ost.scan(decay, h, xs), by_hand(h, xs)))


def test_reverse_runs_from_the_end_and_keeps_the_order_of_time():
    xs, h = torch.randn(6, 3), torch.randn(3)
    carry, ys = ost.scan(decay, h, xs, reverse=True)
    expected_carry, expected = by_hand(h, xs.flip(0))
    assert torch.equal(carry, expected_carry)
    assert torch.equal(ys, expected.flip(0))


@pytest.mark.parametrize("dim", [1, 2, -1])
def test_dim_is_the_axis_of_time_in_inputs_and_outputs(dim):
    xs = torch.randn(2, 6, 6)
    _, ys = ost.scan(decay, torch.zeros(2, 6), xs, dim=dim)
    _, expected = ost.scan(decay, torch.zeros(2, 6), xs.movedim(dim, 0))
    assert torch.equal(ys, expected.movedim(0, dim))


def test_trees_closures_and_modules():
    linear = nn.Linear(3, 4)
    scale = torch.tensor(0.3, requires_grad=True)

    def step(carry, x):
        h = torch.tanh(linear(x["a"]) + scale * carry["h"] + x["b"])
        return {"h": h, "n": carry["n"] + 1}, (h, {"twice": 2 * h})

    init = {"h": torch.zeros(2, 4), "n": torch.zeros(2, dtype=torch.int64)}
    xs = {"a": torch.randn(5, 2, 3), "b": torch.randn(5, 2, 4)}
    carry, (h, more) = ost.scan(step, init, xs)
    assert carry["n"].tolist() == [5, 5]
    assert torch.equal(more["twice"], 2 * h)
    h.sum().backward()
    assert scale.grad is not None
    assert linear.weight.grad is not None


class Step(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, h, x):
        h = torch.tanh(self.linear(h) + x)
        return h, h


def test_a_module_is_a_step():
    step = Step()
    _, ys = ost.scan(step, torch.zeros(2, 3), torch.randn(4, 2, 3))
    ys.sum().backward()
    assert step.linear.weight.grad.abs().sum() > 0


def test_a_step_without_output():
    carry, ys = ost.scan(lambda h, x: (h + x, None), torch.zeros(()), torch.arange(4.0))
    assert carry == 6
    assert ys is None


def test_no_steps():
    h = torch.randn(2, 3)
    carry, ys = ost.scan(decay, h, torch.zeros(0, 2, 3))
    assert torch.equal(carry, h)
    assert ys.shape == (0, 2, 3)


def test_a_tracked_init_and_gradcheck():
    xs = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    h = torch.randn(2, dtype=torch.float64, requires_grad=True)

    def run(h, xs):
        return ost.scan(lambda c, x: (torch.sin(c * x), c + x), h, xs)

    assert torch.autograd.gradcheck(run, (h, xs))
    assert torch.autograd.gradgradcheck(run, (h, xs))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("interval", [1, 2, 5, 100, True])
def test_checkpoint_gives_equal_gradients(interval, reverse):
    step, results = Step().double(), []
    xs = torch.randn(9, 2, 3, dtype=torch.float64, requires_grad=True)
    for checkpoint in (None, interval):
        carry, ys = ost.scan(
            step, torch.zeros(2, 3).double(), xs, reverse=reverse, checkpoint=checkpoint
        )
        loss = (ys.square()).sum() + carry.sum()
        results.append((ys, carry, *torch.autograd.grad(loss, [xs, *step.parameters()])))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, atol=1e-14, rtol=1e-14)


def test_checkpoint_stores_less_and_computes_again():
    calls, held, xs = [], {}, torch.randn(100, 8, 8)
    inputs = xs.untyped_storage().data_ptr()

    def step(h, x):
        calls.append(1)
        return torch.tanh(h @ x), None

    for checkpoint in (None, 10):
        stored, calls[:] = [], []

        def keep(t, stored=stored):
            stored.append(0 if t.untyped_storage().data_ptr() == inputs else t.numel())
            return t

        init = torch.zeros(8, 8, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            carry, _ = ost.scan(step, init, xs, checkpoint=checkpoint)
        held[checkpoint] = sum(stored)
        carry.sum().backward()
        assert len(calls) == (200 if checkpoint else 100)
    assert held[10] <= held[None] / 10


def test_gradient_of_inputs_costs_one_pass():
    """Indexing inputs step by step would make the backward quadratic in T."""
    xs = torch.randn(2000, 1, 256, requires_grad=True)
    with torch.autograd.profiler.profile() as profile:
        ost.scan(decay, torch.zeros(1, 256), xs)[1].sum().backward()
    names = {event.name for event in profile.function_events}
    assert "aten::select_backward" not in names


def test_lengths_hold_the_carry_and_zero_the_outputs():
    xs = torch.randn(5, 3, 2)
    carry, ys = ost.scan(decay, torch.ones(3, 2), xs, lengths=[5, 0, 2])
    assert torch.equal(carry[1], torch.ones(2))
    assert torch.equal(carry[2] * 2, ys[1, 2])
    assert ys[2:, 2].abs().sum() == 0
    assert torch.equal(ys[:, 0], by_hand(torch.ones(2), xs[:, 0])[1])


def test_resets_put_the_carry_back_to_init():
    xs, init = torch.randn(5, 1, 2), torch.ones(1, 2)
    resets = torch.tensor([[False, False, True, False, False]])
    _, ys = ost.scan(decay, init, xs, resets=resets)
    assert torch.equal(ys[2:], by_hand(init, xs[2:])[1])


def test_under_torch_func():
    step = Step()

    def last(h, xs):
        return ost.scan(step, h, xs)[0]

    h, xs = torch.randn(7, 3), torch.randn(7, 4, 3)
    batched = torch.func.vmap(last)(h, xs)
    assert torch.allclose(batched[2], last(h[2], xs[2]), atol=1e-6)
    forward = torch.func.jacfwd(last)(h[0], xs[0])
    assert torch.allclose(forward, torch.func.jacrev(last)(h[0], xs[0]), atol=1e-6)


def test_autocast_keeps_the_precision_of_the_state():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        carry, ys = ost.scan(Step(), torch.zeros(2, 3), torch.randn(4, 2, 3))
    assert carry.dtype == torch.float32
    assert all(leaf.isfinite().all() for leaf in leaves(ys))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ost.scan(3, torch.zeros(1), torch.zeros(2, 1)), CellError, "must be callable"),
        (lambda: ost.scan(lambda h, x: h, torch.zeros(1), torch.zeros(2, 1)), CellError, "two th"),
        (
            lambda: ost.scan(lambda h, x: (h[:1], x), torch.zeros(2), torch.zeros(2, 1)),
            ShapeError,
            r"returns is float32\[1\], expected float32\[2\]",
        ),
        (
            lambda: ost.scan(lambda h, x: (h.double(), x), torch.zeros(2), torch.zeros(2, 1)),
            ShapeError,
            r"float64\[2\], expected float32\[2\]",
        ),
        (
            lambda: ost.scan(decay, torch.zeros(1), (torch.zeros(2, 1), torch.zeros(3, 1))),
            ShapeError,
            "common number of steps",
        ),
        (lambda: ost.scan(decay, torch.zeros(1), ()), ShapeError, "common number of steps"),
        (
            lambda: ost.scan(decay, torch.zeros(2, 1), torch.zeros(4, 2, 1), lengths=[5, 1]),
            ShapeError,
            r"0\.\.4",
        ),
        (
            lambda: ost.scan(decay, torch.zeros(2, 1), torch.zeros(4, 2, 1), lengths=[1, 1, 1]),
            ShapeError,
            r"\(2,\) integers",
        ),
        (
            lambda: ost.scan(
                decay, torch.zeros(2, 1), torch.zeros(4, 2, 1), resets=torch.zeros(4, 2)
            ),
            ShapeError,
            r"\(2, 4\) bool",
        ),
        (
            lambda: ost.scan(decay, torch.zeros(1), torch.zeros(2, 1), checkpoint=-1),
            ArgumentError,
            "√T",
        ),
        (
            lambda: ost.scan(decay, torch.zeros(1), torch.zeros(2, 1), engine="torhc"),
            EngineError,
            "Did you mean 'torch'",
        ),
        (
            lambda: ost.scan(decay, torch.zeros(1), torch.zeros(2, 1), engine="torch"),
            EngineError,
            "Engines that can: .*reference",
        ),
    ],
)
def test_errors_say_what_was_expected_and_what_came(call, error, message):
    with pytest.raises(error, match=message):
        call()
