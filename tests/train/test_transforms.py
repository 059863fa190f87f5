"""Clipping and the chain of gradient transforms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError, CheckpointError
from ostinato.train.gradient_noise import GradientNoise
from ostinato.train.transforms import Chain, ClipNorm, ClipValue, global_norm


def with_gradients(*gradients: Tensor) -> list[nn.Parameter]:
    parameters = [nn.Parameter(torch.zeros(g.shape)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    return parameters


def norm_of(parameters: list[nn.Parameter]) -> float:
    return float(global_norm(p.grad for p in parameters))


def test_clip_norm_leaves_the_direction() -> None:
    gradients = torch.randn(3, 4), torch.randn(5)
    parameters = with_gradients(*gradients)
    before = norm_of(parameters)
    ClipNorm(0.5)(parameters)
    assert norm_of(parameters) == pytest.approx(0.5, rel=1e-6)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient * (0.5 / before))


def test_clip_norm_below_the_limit_keeps_the_bits() -> None:
    gradient = torch.randn(100)
    parameters = with_gradients(gradient)
    ClipNorm(1e3)(parameters)
    assert torch.equal(parameters[0].grad, gradient)


def test_clip_norm_agrees_with_torch() -> None:
    gradients = torch.randn(7, 3), torch.randn(2)
    ours, theirs = with_gradients(*gradients), with_gradients(*gradients)
    ClipNorm(1.0)(ours)
    nn.utils.clip_grad_norm_(theirs, 1.0)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=0)


def test_clip_value_clamps_each_coordinate() -> None:
    parameters = with_gradients(torch.tensor([-3.0, 0.5, 2.0]))
    ClipValue(1.0)(parameters)
    assert parameters[0].grad.tolist() == [-1.0, 0.5, 1.0]


def test_a_tied_parameter_is_clipped_once() -> None:
    parameters = with_gradients(torch.tensor([3.0, 4.0]))
    ClipNorm(2.5)([parameters[0], parameters[0]])
    assert norm_of(parameters) == pytest.approx(2.5)


def test_clip_norm_counts_a_sparse_row_that_was_looked_up_twice() -> None:
    table = nn.Embedding(4, 1, sparse=True)
    table(torch.tensor([2, 2])).sum().backward()
    ClipNorm(1.0)(table.parameters())
    assert table.weight.grad.to_dense().flatten().tolist() == [0.0, 0.0, 1.0, 0.0]


def test_no_gradient_at_all_is_fine() -> None:
    Chain([ClipNorm(1.0), ClipValue(1.0), GradientNoise()])([nn.Parameter(torch.ones(2))])


@pytest.mark.parametrize("kind", [ClipNorm, ClipValue])
def test_a_limit_must_be_positive(kind: type) -> None:
    with pytest.raises(ArgumentError, match="limit > 0"):
        kind(0.0)


def test_the_noise_after_clipping_is_not_clipped() -> None:
    gradient = 100 * torch.ones(1000)
    parameters = with_gradients(gradient)
    Chain([ClipNorm(1.0), GradientNoise(eta=1.0)])(parameters)
    noise = parameters[0].grad - gradient / gradient.norm()
    # the norm of 1000 unit normals is near √1000 ≈ 31.6
    assert float(noise.norm()) == pytest.approx(31.6, abs=3)
    assert norm_of(parameters) > 20


def test_attached_to_an_optimizer_it_runs_before_each_step() -> None:
    parameters = with_gradients(torch.tensor([30.0, 40.0]))
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    handle = Chain([ClipNorm(5.0)]).attach(optimizer)
    optimizer.step()
    torch.testing.assert_close(parameters[0].data, torch.tensor([-3.0, -4.0]))
    handle.remove()
    parameters[0].grad = torch.tensor([30.0, 40.0])
    optimizer.step()
    torch.testing.assert_close(parameters[0].data, torch.tensor([-33.0, -44.0]))


def test_the_state_names_position_and_kind() -> None:
    chain = Chain([ClipNorm(1.0), GradientNoise(seed=3)])
    chain(with_gradients(torch.ones(2)))
    state = chain.state_dict()
    assert state == {"0.ClipNorm": {}, "1.GradientNoise": {"steps": 1, "seed": 3}}
    with pytest.raises(CheckpointError, match="GradientNoise"):
        Chain([GradientNoise(seed=3)]).load_state_dict(state)
