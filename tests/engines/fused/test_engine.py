"""What the fused engine refuses, what it says, and that it keeps the meaning."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.core.errors import EngineError
from ostinato.core.registry import recorded_decisions

from .kernels import needs_compiler

pytestmark = needs_compiler


class Simple(ost.Cell):
    """A cell of three units around one function of state and input."""

    def __init__(self, function, module=None):
        super().__init__()
        self.function, self.module = function, module

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 3)

    def forward(self, x, h):
        new = self.function(self, x, h)
        return new, new


def reason(function, module=None):
    """What the engine says to a step; `auto` must then run it all the same."""
    rnn, x = ost.RNN(Simple(function, module)), torch.randn(4, 5, 3)
    with recorded_decisions() as decisions:
        torch.manual_seed(5)
        y, _ = rnn(x)
    torch.manual_seed(5)
    torch.testing.assert_close(y, ost.RNN(rnn.cell, "reference")(x)[0], rtol=1e-4, atol=1e-5)
    return decisions[0].reasons["fused"]


REFUSED = {
    "mixing rows": (lambda c, x, h: torch.tanh(h - h.mean(0, keepdim=True) + x), "over the batch"),
    "in place": (lambda c, x, h: h.clone()[:, :1].mul_(0.5) * h + x, "in place"),
    "in place on a slice": (lambda c, x, h: assigned(h + x), "in place|outside the language"),
    "random numbers": (lambda c, x, h: h + x + torch.rand_like(x), "draws random numbers"),
    "dropout": (
        lambda c, x, h: nn.functional.dropout(h + x, 0.5, True),
        "draws random numbers|in place",
    ),
    "len": (lambda c, x, h: h / len(x) + x, "how many rows"),
    "len of state": (lambda c, x, h: h.sum(-1, keepdim=True) / len(h) + x, "how many rows"),
    "value of a tensor": (lambda c, x, h: h + x if h.sum() > 0 else h - x, "control flow depends"),
    "unknown operation": (lambda c, x, h: (h + x).sort(-1)[0], "sort is outside the language"),
}  # fmt: skip


def assigned(t):
    t[:, 0] = 1
    return t


@pytest.mark.parametrize("name", REFUSED)
def test_a_step_that_must_be_refused_is_named_and_auto_runs_it(name):
    function, words = REFUSED[name]
    found = reason(function)
    assert found is not None, "it was taken"
    assert re.search(words, found), found


def test_batch_norm_is_refused():
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    assert reason(lambda c, x, h: c.module(h + x), norm) is not None


def test_the_line_of_the_step_is_named():
    found = reason(REFUSED["unknown operation"][0])
    assert f'"{__file__}", line' in found


@pytest.mark.parametrize(
    ("init", "x", "words"),
    [
        ((torch.zeros(2, 3), torch.zeros(2, 3).double()), torch.zeros(1, 2, 3), "float32 through"),
        ((torch.zeros(2, 3).half(),), torch.zeros(1, 2, 3), "float32 throughout"),
        ((torch.zeros(3),), torch.zeros(4, 2), "no common batch axis"),
        ((torch.zeros(()),), torch.zeros(4, 2), "no common batch axis"),
        ((torch.zeros(0, 3),), torch.zeros(4, 0, 3), "no rows"),
        ((torch.zeros(2, 3),), torch.zeros(0, 2, 3), "no steps"),
    ],
)
def test_calls_that_are_refused(init, x, words):
    with pytest.raises(EngineError, match=words):
        ost.scan(lambda h, x: (h, x), init, x, engine="fused")


def test_hooks_and_transforms_are_refused():
    plain = Simple(lambda c, x, h: torch.tanh(c.module(h) + x), nn.Linear(3, 3))
    x = torch.zeros(2, 4, 3)
    hooked = Simple(plain.function, nn.Linear(3, 3))
    hooked.module.register_forward_hook(lambda *_: None)
    with pytest.raises(EngineError, match="hooks"):
        ost.RNN(hooked, "fused")(x)
    with pytest.raises(EngineError, match=r"torch\.func"):
        torch.func.vmap(lambda each: ost.RNN(plain, "fused")(each)[0])(x[None])


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda h, x: (h[:, :2], x), r"\[3\] a row and returns torch.float32 \[2\]"),
        (lambda h, x: (x.double(), x), "returns torch.float64"),
    ],
)
def test_a_carry_that_changes_is_refused_before_anything_runs(step, words):
    with pytest.raises(EngineError, match=words):
        ost.scan(step, torch.zeros(2, 3), torch.zeros(4, 2, 3), engine="fused")


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_whole_numbers_flags_and_missing_outputs(steps):
    def step(h, x):
        tokens, keep = x
        new = torch.where(keep[:, None], torch.tanh(h + tokens[:, None] * 0.1), h)
        return new, None

    xs = (torch.randint(0, 9, (steps, 5)), torch.rand(steps, 5) < 0.5)
    h = torch.randn(5, 3)
    found, expected = (ost.scan(step, h, xs, engine=e)[0] for e in ("fused", "reference"))
    torch.testing.assert_close(found, expected)


def test_outputs_of_any_structure():
    def step(h, x):
        new = torch.tanh(h + x)
        return new, {"h": h, "twice": (new * 2, x), "row": new.sum(-1)}

    h, x = torch.randn(3, 4), torch.randn(5, 3, 4)
    found, expected = (ost.scan(step, h, x, engine=e) for e in ("fused", "reference"))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("engine", ["fused", "parallel"])
def test_the_recurrent_gradient_may_be_cut(engine):
    """The gradient of h_t = tanh(x_t + R h_{t−1}) + 0.9 h_{t−1}, but for what R passes on."""

    def step(h, x):
        h = torch.tanh(x + h.detach() @ recur) + 0.9 * h
        return h, h

    recur = (0.3 * torch.randn(4, 4, dtype=torch.float64)).requires_grad_()
    h, x = (torch.randn(*n, 2, 4, dtype=torch.float64).requires_grad_() for n in ((), (9,)))
    found, expected = (
        torch.autograd.grad(ost.scan(step, h, x, engine=e)[1].square().sum(), (h, x, recur))
        for e in (engine, "reference")
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    uncut = torch.autograd.grad(
        ost.scan(lambda h, x: 2 * (torch.tanh(x + h @ recur) + 0.9 * h,), h, x)[1].square().sum(), h
    )
    assert not torch.allclose(uncut[0], expected[0], rtol=1e-3)


@pytest.mark.parametrize("kind", ["no_grad", "autograd.Function"])
def test_gradients_that_the_step_holds_back(kind):
    class Straight(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.floor(x)

        @staticmethod
        def backward(ctx, g):
            return g

    def step(h, x):
        if kind == "no_grad":
            with torch.no_grad():
                half = h * 0.5
            h = half + h * 0.1
        else:
            h = Straight.apply(h) * 0.5 + h
        return torch.tanh(h + x), x

    h, x = torch.randn(2, 3), torch.randn(3, 2, 3)
    with pytest.raises(ost.EngineError, match=r"gradients differ|values differ"):
        ost.scan(step, h, x, engine="fused")


@pytest.mark.parametrize("engine", ["auto", "fused"])
def test_a_carry_of_another_structure_is_refused(engine):
    def step(state, x):
        return (state[0] + x,), state[1] * 2

    state = (torch.zeros(2, 3), torch.ones(2, 3))
    with pytest.raises(ost.OstinatoError):
        ost.scan(step, state, torch.ones(2000, 2, 3), engine=engine)
