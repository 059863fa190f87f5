from __future__ import annotations

import math

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ShapeError

F64 = torch.float64
# The error's root mean square over that of the exact, for what may not be off by 0.008.
BOUNDS = {"o": 0.005, "g": 0.02, "beta": 0.02}


def unit(*shape):
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=F64), dim=-1)


def test_beta_of_1_with_orthonormal_keys_writes_the_value():
    k, v = torch.eye(4, dtype=F64)[None, :, None], torch.randn(1, 4, 1, 3, dtype=F64)
    first = torch.randn(1, 1, 4, 3, dtype=F64)
    _, state = ost.delta_rule(k, k, v, initial_state=first, output_final_state=True)
    torch.testing.assert_close(state[0, 0], v[0, :, 0])


def test_beta_of_0_leaves_all_but_the_gate():
    q, k, v = unit(2, 7, 3, 4), unit(2, 7, 3, 4), torch.randn(2, 7, 3, 5, dtype=F64)
    g, first = -torch.rand(2, 7, 3, dtype=F64), torch.randn(2, 3, 4, 5, dtype=F64)
    beta = torch.zeros(2, 7, 3, dtype=F64)
    _, state = ost.delta_rule(q, k, v, g, beta, initial_state=first, output_final_state=True)
    torch.testing.assert_close(state, g.sum(1).exp()[..., None, None] * first)


def test_two_reflections_rotate_by_twice_their_angle():
    angle = 0.4
    k = torch.tensor([[1, 0], [math.cos(angle), math.sin(angle)]], dtype=F64)[None, :, None]
    first = torch.eye(2, dtype=F64)[None, None]
    nothing, beta = torch.zeros(1, 2, 1, 2, dtype=F64), torch.full((1, 2, 1), 2.0, dtype=F64)
    q = torch.zeros(1, 1, 1, 2, dtype=F64)
    _, state = ost.delta_rule(q, k, nothing, None, beta, None, first, True)
    turned = [
        [math.cos(2 * angle), -math.sin(2 * angle)],
        [math.sin(2 * angle), math.cos(2 * angle)],
    ]
    torch.testing.assert_close(state[0, 0], torch.tensor(turned, dtype=F64))


def test_the_same_reflection_twice_is_none():
    k = unit(1, 5, 2, 4).repeat_interleave(2, 1)
    first, q = torch.randn(1, 2, 4, 3, dtype=F64), unit(1, 5, 2, 4)
    nothing, beta = torch.zeros(1, 10, 2, 3, dtype=F64), torch.full((1, 10, 2), 2.0, dtype=F64)
    _, state = ost.delta_rule(q, k, nothing, None, beta, None, first, True)
    torch.testing.assert_close(state, first)


def test_several_corrections_are_as_many_steps():
    q, k, v = unit(2, 9, 2, 4), unit(2, 27, 2, 4), torch.randn(2, 27, 2, 5, dtype=F64)
    beta, g = 2 * torch.rand(2, 27, 2, dtype=F64), -torch.rand(2, 9, 2, dtype=F64)
    found = ost.delta_rule(q, k, v, g, beta, output_final_state=True)
    gate = torch.stack([g, 0 * g, 0 * g], 2).flatten(1, 2)
    o, state = ost.delta_rule(q.repeat_interleave(3, 1), k, v, gate, beta, output_final_state=True)
    torch.testing.assert_close(found, (o[:, 2::3], state))


def test_without_values_nothing_grows():
    k, first = unit(1, 500, 2, 8), torch.randn(1, 2, 8, 3, dtype=F64)
    beta, nothing = 2 * torch.rand(1, 500, 2, dtype=F64), torch.zeros(1, 500, 2, 3, dtype=F64)
    _, state = ost.delta_rule(k, k, nothing, None, beta, None, first, True)
    assert (state.norm(dim=(-2, -1)) <= first.norm(dim=(-2, -1))).all()


def test_permutations_of_three_in_float32_over_many_steps():
    """Each transposition of three things is a reflection, so two corrections reach all of S₃."""
    steps, generator = 10_000, torch.Generator().manual_seed(1)
    swaps = torch.tensor([[1.0, -1, 0], [0, 1, -1], [1, 0, -1]]) / math.sqrt(2)
    chosen = torch.randint(3, (2 * steps,), generator=generator)
    idle = torch.rand(2 * steps, generator=generator) < 0.3
    k, beta = swaps[chosen][None, :, None], torch.where(idle, 0.0, 2.0)[None, :, None]
    first, nothing = torch.eye(3)[None, None], torch.zeros(1, 2 * steps, 1, 3)
    q = torch.tensor([1.0, 2, 3]).expand(1, steps, 1, 3)
    o, _ = ost.delta_rule(q, k, nothing, None, beta, 1.0, first)
    order, expected = torch.tensor([0, 1, 2]), []
    for i, (swap, still) in enumerate(zip(chosen.tolist(), idle.tolist(), strict=True)):
        if not still:
            a, b = [(0, 1), (1, 2), (0, 2)][swap]
            order[[a, b]] = order[[b, a]]
        if i % 2:
            expected.append(order.argsort() + 1)
    torch.testing.assert_close(o[0, :, 0], torch.stack(expected).float(), atol=1e-2, rtol=0)


def test_beta_has_one_number_for_each_key():
    q, k, v = unit(1, 3, 1, 4), unit(1, 6, 1, 4), unit(1, 6, 1, 2)
    with pytest.raises(
        ShapeError, match=r"beta must be \[1, 6, 1\], one for each key; got \[1, 3, 1\]"
    ):
        ost.delta_rule(q, k, v, beta=torch.ones(1, 3, 1))


@pytest.mark.parametrize("dtype", [F64, torch.bfloat16])
def test_queries_and_keys_can_be_given_length_1(dtype):
    q, k, v = (torch.randn(1, 9, 2, 4).to(dtype) for _ in range(3))
    found, _ = ost.delta_rule(q, k, v, use_qk_l2norm_in_kernel=True)
    exact = torch.promote_types(dtype, torch.float32)
    q, k = (
        x.to(exact) / (x.to(exact).square().sum(-1, keepdim=True) + 1e-6).sqrt() for x in (q, k)
    )
    torch.testing.assert_close(found, ost.delta_rule(q, k, v)[0])


def made(steps, keys, values, updates, by_key, generator, batch=1, heads=2):
    def normal(*shape):
        return torch.randn(shape, generator=generator)

    rows = batch, steps * updates, heads
    g = -torch.rand(batch, steps, heads, keys if by_key else 1, generator=generator) / 4
    # Some gates are shut to exactly no decay.
    g = g.masked_fill(torch.rand(g.shape, generator=generator) < 0.3, 0)
    return {
        "q": normal(batch, steps, heads, keys),
        "k": torch.nn.functional.normalize(normal(*rows, keys), dim=-1),
        "v": normal(*rows, values),
        "g": g,
        "beta": 2 * torch.rand(rows, generator=generator),
        "initial_state": normal(batch, heads, keys, values),
    }


def outcome(given, weight):
    """o, the last state, and the gradients of everything."""
    given = {name: x.clone().requires_grad_() for name, x in given.items()}
    o, last = ost.delta_rule(**given, output_final_state=True)
    loss = (o.to(weight) * weight).sum() + last.square().sum()
    grads = torch.autograd.grad(loss, list(given.values()))
    return {"o": o, "last": last, **dict(zip(given, grads, strict=True))}


def ratio(found, exact):
    return ((found.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize(
    ("steps", "keys", "values", "updates", "by_key"),
    [
        (63, 60, 100, 1, False),
        (100, 64, 32, 2, False),
        (150, 32, 60, 1, True),
        (33, 16, 16, 4, True),
    ],
)
def test_inputs_in_bfloat16(steps, keys, values, updates, by_key):
    generator = torch.Generator().manual_seed(42)
    given = made(steps, keys, values, updates, by_key, generator)
    # Gates and states are kept in float32, as users of such kernels do.
    low = {n: x if n in ("g", "initial_state") else x.bfloat16() for n, x in given.items()}
    weight = torch.randn(1, steps, 2, values, generator=generator)
    found = outcome(low, weight)
    exact = outcome({n: x.double() for n, x in low.items()}, weight.double())
    for name, value in found.items():
        assert value.isfinite().all()
        assert ratio(value, exact[name]) < BOUNDS.get(name, 0.008), name


@pytest.mark.parametrize("gated", [False, True])
def test_nothing_drifts_over_a_hundred_thousand_steps(gated):
    given = made(100_000, 16, 16, 1, False, torch.Generator().manual_seed(1), heads=1)
    del given["initial_state"]
    given["g"] = given["g"] / 100 if gated else None
    single = ost.delta_rule(**given, output_final_state=True)
    exact = {n: None if x is None else x.double() for n, x in given.items()}
    double = ost.delta_rule(**exact, output_final_state=True)
    assert all(ratio(a, b) < 1e-6 for a, b in zip(single, double, strict=True))
    # No later part is further off than the first, beyond chance.
    parts = zip(single[0].chunk(10, 1), double[0].chunk(10, 1), strict=True)
    errors = [ratio(a, b) for a, b in parts]
    assert max(errors) < 1.5 * errors[0]
