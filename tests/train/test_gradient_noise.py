"""The statements of arXiv 1511.06807 about the noise, and what a user can rely on."""

from __future__ import annotations

import copy
import math
import warnings

import pytest
import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError, CheckpointError
from ostinato.train.gradient_noise import GradientNoise
from ostinato.train.transforms import Chain


def noise_of(noise: GradientNoise, *shapes: tuple[int, ...]) -> list[Tensor]:
    """What is added to gradients of zero."""
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    noise(parameters)
    return [p.grad for p in parameters]


def train(noise: GradientNoise | None, kind: type, steps: int, net: nn.Module) -> nn.Module:
    optimizer = kind(net.parameters(), lr=0.1)
    for step in range(steps):
        x = torch.linspace(-1, 1, 12).view(4, 3) + step
        optimizer.zero_grad()
        net(x).square().mean().backward()
        if noise is not None:
            noise(optimizer.param_groups)
        optimizer.step()
    return net


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def weights(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters())


@pytest.mark.parametrize(("t", "sigma"), [(0, 1.0), (1, 0.8265), (9, 0.5309), (99, 0.2818)])
def test_sigma_of_the_paper(t: int, sigma: float) -> None:
    assert GradientNoise(eta=1.0).sigma(t) == pytest.approx(sigma, abs=1e-4)


def test_eta_is_a_variance() -> None:
    noise = GradientNoise(eta=0.3)
    assert noise.sigma(0) ** 2 == pytest.approx(0.3)
    assert noise.sigma(7) ** 2 / 0.3 == pytest.approx(8**-0.55)


def test_a_million_draws_have_the_variance_and_the_shape_of_a_gaussian() -> None:
    (draws,) = noise_of(GradientNoise(eta=0.01), (1000, 1000))
    draws = draws.double().flatten()
    assert float(draws.mean()) == pytest.approx(0, abs=4 * 0.1 / 1000)
    assert float(draws.var()) == pytest.approx(0.01, rel=0.01)
    assert float((draws**4).mean() / draws.var() ** 2) == pytest.approx(3, abs=0.05)


def test_steps_and_parameters_are_independent() -> None:
    noise = GradientNoise(eta=1.0, gamma=0.0)
    draws = [*noise_of(noise, (10_000,), (10_000,)), *noise_of(noise, (10_000,), (10_000,))]
    correlation = torch.corrcoef(torch.stack(draws)) - torch.eye(4)
    assert float(correlation.abs().max()) < 0.05


def test_without_noise_the_optimizer_is_itself_bit_for_bit() -> None:
    plain = train(None, torch.optim.AdamW, 5, small_net())
    assert torch.equal(
        weights(plain), weights(train(GradientNoise(eta=0.0), torch.optim.AdamW, 5, small_net()))
    )


def test_sgd_moves_by_gradient_plus_noise() -> None:
    (draws,) = noise_of(GradientNoise(eta=0.3, seed=5), (6,))
    parameter = nn.Parameter(torch.zeros(6))
    parameter.grad = gradient = torch.arange(6.0)
    GradientNoise(eta=0.3, seed=5)([parameter])
    torch.optim.SGD([parameter], lr=0.5).step()
    torch.testing.assert_close(parameter.data, -0.5 * (torch.arange(6.0) + draws))
    assert gradient is parameter.grad


def test_adams_moments_contain_the_noise() -> None:
    (draws,) = noise_of(GradientNoise(eta=1.0), (6,))
    parameter = nn.Parameter(torch.zeros(6))
    parameter.grad = torch.ones(6)
    optimizer = torch.optim.Adam([parameter], betas=(0.9, 0.99))
    GradientNoise(eta=1.0)(optimizer.param_groups)
    optimizer.step()
    torch.testing.assert_close(optimizer.state[parameter]["exp_avg"], 0.1 * (1 + draws))
    torch.testing.assert_close(optimizer.state[parameter]["exp_avg_sq"], 0.01 * (1 + draws) ** 2)


def test_the_seed_determines_the_trajectory() -> None:
    runs = [
        weights(train(GradientNoise(0.1, seed=s), torch.optim.SGD, 5, small_net()))
        for s in (1, 1, 2)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_torchs_own_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(7)
    (first,) = noise_of(GradientNoise(), (3,))
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1))
    assert torch.equal(first, noise_of(GradientNoise(), (3,))[0])


def test_a_resumed_noise_goes_on_as_the_first_would_have() -> None:
    first = GradientNoise(seed=4)
    noise_of(first, (5,))
    second = GradientNoise(seed=4)
    second.load_state_dict(first.state_dict())
    assert torch.equal(noise_of(first, (5,))[0], noise_of(second, (5,))[0])


def test_a_state_of_another_seed_is_refused() -> None:
    with pytest.raises(CheckpointError, match="seed=4"):
        GradientNoise(seed=5).load_state_dict(GradientNoise(seed=4).state_dict())


def test_parameters_without_gradient_and_frozen_groups_are_untouched() -> None:
    without, frozen, free = (nn.Parameter(torch.zeros(3)) for _ in range(3))
    for parameter in (frozen, free):
        parameter.grad = torch.ones(3)
    groups = [{"params": [without, free]}, {"params": [frozen], "noise_eta": 0.0}]
    GradientNoise()(groups)
    assert without.grad is None
    assert frozen.grad.tolist() == [1, 1, 1]
    assert not torch.equal(free.grad, torch.ones(3))


def test_a_group_has_its_own_eta() -> None:
    parameters = [nn.Parameter(torch.zeros(20_000)) for _ in range(2)]
    for parameter in parameters:
        parameter.grad = torch.zeros(20_000)
    GradientNoise(eta=0.01)(
        [{"params": [parameters[0]]}, {"params": [parameters[1]], "noise_eta": 4.0}]
    )
    assert float(parameters[0].grad.std()) == pytest.approx(0.1, rel=0.03)
    assert float(parameters[1].grad.std()) == pytest.approx(2.0, rel=0.03)


def test_a_tied_parameter_gets_noise_once() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = torch.zeros(3)
    GradientNoise()([parameter, parameter])
    assert torch.equal(parameter.grad, noise_of(GradientNoise(), (3,))[0])


def test_where_skips_parameters() -> None:
    matrix, bias = (nn.Parameter(torch.zeros(shape)) for shape in ((2, 2), (2,)))
    for parameter in (matrix, bias):
        parameter.grad = torch.zeros_like(parameter)
    GradientNoise(where=lambda p: p.dim() > 1)([matrix, bias])
    assert bias.grad.tolist() == [0, 0]
    assert matrix.grad.abs().min() > 0


def test_start_and_schedule() -> None:
    noise = GradientNoise(eta=4.0, start=2, schedule=lambda t: 0.5**t)
    assert [noise.sigma(t) ** 2 for t in range(5)] == pytest.approx([0, 0, 4, 2, 1])
    assert [bool(noise_of(noise, (2,))[0].any()) for _ in range(3)] == [False, False, True]


def test_relative_noise_scales_with_the_gradient() -> None:
    parameters = [nn.Parameter(torch.zeros(50_000)) for _ in range(2)]
    for parameter, scale in zip(parameters, (1e-3, 10.0), strict=True):
        parameter.grad = torch.full((50_000,), scale)
    GradientNoise(eta=0.25, relative=True)(parameters)
    for parameter, scale in zip(parameters, (1e-3, 10.0), strict=True):
        assert float(parameter.grad.std()) == pytest.approx(0.5 * scale, rel=0.02)


def test_low_precision_gradients_keep_their_dtype() -> None:
    parameter = nn.Parameter(torch.zeros(4, dtype=torch.bfloat16))
    parameter.grad = torch.zeros_like(parameter)
    GradientNoise()([parameter])
    draws = noise_of(GradientNoise(), (4,))[0]
    torch.testing.assert_close(parameter.grad.float(), draws, rtol=1e-2, atol=1e-3)


def sparse_table() -> nn.Embedding:
    table = nn.Embedding(5, 2, sparse=True)
    table(torch.tensor([1, 3, 3])).sum().backward()
    return table


def test_sparse_gradients_get_noise_on_touched_rows_with_a_warning() -> None:
    table = sparse_table()
    with pytest.warns(UserWarning, match="densify"):
        GradientNoise()(table.parameters())
    changed = table.weight.grad.to_dense() - torch.tensor([0, 1, 0, 2, 0])[:, None]
    assert changed.any(1).tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("policy", ["densify", "skip"])
def test_other_policies_for_sparse_gradients(policy: str) -> None:
    table = sparse_table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GradientNoise(sparse=policy)(table.parameters())
    changed = table.weight.grad.to_dense() - torch.tensor([0, 1, 0, 2, 0])[:, None]
    assert changed.any(1).tolist() == [policy == "densify"] * 5


@pytest.mark.parametrize("options", [{"eta": -1.0}, {"start": -1}, {"sparse": "all"}])
def test_wrong_options_are_refused(options: dict) -> None:
    with pytest.raises(ArgumentError):
        GradientNoise(**options)


def test_stationary_variance_on_a_quadratic_bowl() -> None:
    lr, curvature, eta = 0.1, 2.0, 0.04
    theta = nn.Parameter(torch.zeros(20_000))
    noise = GradientNoise(eta=eta, gamma=0.0)
    optimizer = torch.optim.SGD([theta], lr=lr)
    Chain([noise]).attach(optimizer)
    for _ in range(60):
        theta.grad = curvature * theta.detach()
        optimizer.step()
    expected = lr**2 * eta / (1 - (1 - lr * curvature) ** 2)
    assert float(theta.detach().var()) == pytest.approx(expected, rel=0.05)


def test_noise_frees_a_network_that_starts_at_zero() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    still = train(None, torch.optim.SGD, 3, copy.deepcopy(net))
    freed = train(GradientNoise(eta=0.1), torch.optim.SGD, 3, copy.deepcopy(net))
    assert not still[0].weight.any()
    assert not still[2].weight.any()
    assert freed[0].weight.any()
    assert freed[2].weight.any()


def test_the_walk_of_the_weights_has_the_length_of_the_estimate() -> None:
    eta, lr, steps = 0.1, 0.1, 100
    theta = nn.Parameter(torch.zeros(20_000))
    noise = GradientNoise(eta=eta)
    for _ in range(steps):
        theta.grad = torch.zeros_like(theta)
        noise([theta])
        with torch.no_grad():
            theta -= lr * theta.grad
    expected = lr * math.sqrt(eta * sum((1 + t) ** -0.55 for t in range(steps)))
    assert float(theta.detach().std()) == pytest.approx(expected, rel=0.03)
