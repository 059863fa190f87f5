"""The numbers of `vector.h`, through compiled steps, against torch."""

from __future__ import annotations

from functools import cache

import pytest
import torch

import ostinato as ost

FUNCTIONS = (
    "exp", "log", "log1p", "expm1", "tanh", "sigmoid", "sqrt", "rsqrt", "abs", "sign", "sin",
    "cos", "erf", "floor",
)  # fmt: skip
PAIRS = {
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda a, b: torch.where(a > b, a, b * 2),
    "clamp": lambda a, b: a.clamp(-1, 1) + 0 * b,
    "lt": lambda a, b: (a < b).to(a),
    "le": lambda a, b: (a <= b).to(a),
    "gt": lambda a, b: (a > b).to(a),
    "ge": lambda a, b: (a >= b).to(a),
    "eq": lambda a, b: (a == b).to(a),
    "ne": lambda a, b: (a != b).to(a),
    "both": lambda a, b: ((a > 0) & ~(b > 0)).to(a),
    "either": lambda a, b: ((a > 0) | (b > 0)).to(a),
    "square": lambda a, b: a**2,
    "root": lambda a, b: a**0.5,
    "fifth": lambda a, b: a**5,
    "relu": lambda a, b: a.relu(),
}
SPECIAL = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0)
WIDTH = 17


def one_step(state, b):
    """Every function of its own leaf, in one kernel."""
    new = {name: getattr(torch, name)(state[name]) for name in FUNCTIONS}
    return new | {name: f(state[name], b) for name, f in PAIRS.items()}, None


@cache
def compiled(dtype):
    """Names, arguments (N), the second argument, and results of the kernel."""
    size = torch.finfo(dtype)
    wide = torch.logspace(-44 if dtype is torch.float32 else -300, 4, 500, dtype=torch.float64)
    edges = torch.tensor([size.tiny, size.tiny / 64, size.max, 80, 87, 88.3, 103, 104, 709, 746])
    middle = torch.linspace(-20, 20, 1009)
    values = torch.cat([wide, -wide, edges, -edges, middle, torch.tensor(SPECIAL)])
    values = values[: len(values) // WIDTH * WIDTH].to(dtype)
    values[-len(SPECIAL) :] = torch.tensor(SPECIAL)
    a = values.view(-1, WIDTH)
    b = a.flip(0).roll(3, 1).contiguous()
    names = (*FUNCTIONS, *PAIRS)
    with torch.no_grad():
        found, _ = ost.scan(one_step, dict.fromkeys(names, a), b[None], engine="fused")
    return a, b, found


def true(name, a, b):
    """In double precision."""
    a, b = a.double(), b.double()
    return PAIRS[name](a, b) if name in PAIRS else getattr(torch, name)(a)


# The largest error in units of the last place; those of the polynomials of vector.h.
ULPS = {"exp": 2, "expm1": 3, "tanh": 3, "sigmoid": 3}


def ulps(found, expected):
    """Distances in units in the last place; what is too small to be normal may become zero."""
    size = torch.finfo(found.dtype)
    normal = expected.abs().clamp(min=size.tiny)
    unit = size.eps * torch.exp2(torch.frexp(normal).exponent.double() - 1)
    distance = torch.where(expected.abs() < size.tiny, 0, (found.double() - expected).abs())
    assert (found.abs() <= size.tiny)[expected.abs() < size.tiny].all()
    return distance / unit


@pytest.mark.parametrize("name", [*FUNCTIONS, *PAIRS])
def test_single_precision(name):
    a, b, found = compiled(torch.float32)
    expected = true(name, a, b)
    rounded = expected.float()
    finite = rounded.isfinite() & ~a.isnan()
    if name != "root":
        special = ~finite & ~(a.isnan() if name == "sign" else a.isnan() & rounded.isfinite())
        torch.testing.assert_close(found[name][special], rounded[special], equal_nan=True)
    assert ulps(found[name][finite], expected[finite]).max() <= ULPS.get(name, 2)


@pytest.mark.parametrize("name", [*FUNCTIONS, *PAIRS])
def test_double_precision(name):
    a, b, found = compiled(torch.float64)
    expected, got = true(name, a, b), found[name]
    if name == "root":
        got, expected = got[a > 0], expected[a > 0]
    torch.testing.assert_close(got, expected, rtol=1e-15, atol=0, equal_nan=True)


def test_nan_comes_through_a_maximum_over_features():
    def step(h, x):
        return torch.tanh(h - h.amax(-1, keepdim=True)), None

    h = torch.arange(40, dtype=torch.float32).view(2, 20)
    for place in (0, 15, 16, 19):
        broken = h.clone()
        broken[0, place] = torch.nan
        with torch.no_grad():
            new, _ = ost.scan(step, broken, torch.zeros(1, 2, 1), engine="fused")
        assert new[0].isnan().all()
        assert not new[1].isnan().any()


def test_exp_up_to_the_largest_number():
    x = torch.tensor([[88.4, 88.5, 88.6, 88.7]])
    with torch.no_grad():
        found, _ = ost.scan(lambda h, _: (h.exp(), None), x, x[None], engine="fused")
    torch.testing.assert_close(found, x.exp())


def test_the_sign_of_nan():
    a, _, found = compiled(torch.float32)
    assert torch.equal(found["sign"], a.sign())
