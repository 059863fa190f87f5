"""The network: the paper's sizes, streams, another rate, and groups of parameters."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.time.lssl import LSSLNet
from ostinato.models.time.lssl_config import LSSLConfig

F64 = torch.float64

pytestmark = pytest.mark.usefixtures("quick_compile")


def net(**options):
    torch.manual_seed(0)
    sizes = {"inputs": 2, "outputs": 3, "width": 6, "state": 4, "depth": 2}
    return LSSLNet(LSSLConfig(**{**sizes, **options}), dtype=F64)


def x(rows=3, steps=9):
    return torch.randn(rows, steps, 2, dtype=F64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("task", "thousands"), [("sMNIST", 200), ("sCIFAR", 2000), ("SC-MFCC", 200)]
)
def test_published_sizes(task, thousands):
    made = LSSLNet(LSSLConfig.published(task), device="meta")
    count = sum(parameter.numel() for parameter in made.parameters())
    assert count / 1e3 == pytest.approx(thousands, rel=0.06)


@pytest.mark.parametrize("options", [{}, {"pool": "mean", "norm": "post"}, {"pool": "none"}])
def test_a_stream_answers_as_the_whole_does(options):
    made = net(**options)
    whole, last = made(x())
    for streamed in (made, made.discrete()):
        state = None
        for t in range(9):
            y, state = streamed.step(x()[:, t], state)
        torch.testing.assert_close(y, whole[:, -1] if whole.dim() == 3 else whole)
        torch.testing.assert_close(state, last)


@pytest.mark.parametrize("pool", ["last", "mean"])
def test_ragged_rows_equal_single_ones(pool):
    made = net(pool=pool)
    ragged, _ = made(x(), lengths=torch.tensor([9, 4, 1]))
    for row, length in enumerate((9, 4, 1)):
        torch.testing.assert_close(ragged[row], made(x()[row : row + 1, :length])[0][0])


def test_at_half_the_rate_a_smooth_signal_gives_nearly_the_same_answer():
    made = net(depth=1, step_min=1e-3, step_max=1e-2)
    t = torch.arange(2000, dtype=F64)
    smooth = torch.stack([torch.sin(0.01 * t), torch.cos(0.003 * t)], -1)[None]
    with torch.no_grad():
        full, fooled = made(smooth)[0], made(smooth[:, ::2])[0]
        made.resample(2.0)
        half = made(smooth[:, ::2])[0]
    assert (half - full).norm() < 0.1 * (fooled - full).norm()


def test_groups_of_parameters():
    made = net()
    groups = made.parameter_groups(4e-3)
    assert [group["lr"] for group in groups] == [4e-3, 1e-4, 1e-3]
    assert [group.get("weight_decay") for group in groups] == [None, 0.0, 0.0]
    assert [len(group["params"]) for group in groups[1:]] == [14, 2]
    listed = {id(p) for group in groups for p in group["params"]}
    assert listed == {id(p) for p in made.parameters()}
    fixed = net(learn="fixed", learn_step=False).parameter_groups(4e-3)
    assert len(fixed) == 1


def test_a_discrete_net_cannot_be_resampled():
    with pytest.raises(ArgumentError, match="positive and finite; got inf"):
        net().resample(math.inf)
    with pytest.raises(ArgumentError, match="has the rate at which it was made"):
        net().discrete().resample(2.0)
    with pytest.raises(ArgumentError, match="The rate must be positive and finite; got 0"):
        net().resample(0)


@pytest.mark.parametrize("learn", ["fixed", "shared"])
def test_modes_agree_on_every_gradient(learn):
    gradients = []
    for mode in ("convolution", "recurrence"):
        made = net(mode=mode, learn=learn, channels=2)
        loss = made(x())[0].square().sum()
        learned = [p for p in made.parameters() if p.requires_grad]
        gradients.append(torch.autograd.grad(loss, learned))
    for a, b in zip(*gradients, strict=True):
        assert a.any()
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-8)


def test_the_rate_is_saved_with_the_weights():
    made, x = net(), torch.randn(2, 9, 2, dtype=F64)
    made.resample(2.0)
    copy = net()
    copy.load_state_dict(made.state_dict())
    torch.testing.assert_close(copy(x), made(x))
