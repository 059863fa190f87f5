import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError
from ostinato.train.rtrl.learner import RTRL

from .test_learner import F64, forward_in_time, shaken


def gradient(name, method, order=1, rows=2, steps=6, **options):
    rnn = ost.RNN(shaken(name, 3, 4, **options))
    torch.manual_seed(1)
    x, weights = torch.randn(2, steps, 3, dtype=F64), torch.randn(2, steps, 4, dtype=F64)
    repeated = (each.repeat(rows // 2, 1, 1) for each in (x, weights))
    generator = torch.Generator().manual_seed(0)
    found, _ = forward_in_time(RTRL(rnn, method, order, generator), *repeated, [1] * steps)
    return torch.cat([g.flatten() for g in found]) / (rows // 2)


@pytest.mark.parametrize("name", ["ParaGRU", "ParaLSTM"])
@pytest.mark.parametrize(("method", "order"), [("snap", 1), ("snap", 3), ("rflo", 1)])
def test_of_an_element_by_element_cell_approximations_are_exact(name, method, order):
    torch.testing.assert_close(gradient(name, method, order), gradient(name, "exact"))


@pytest.mark.parametrize("name", ["Elman", "LSTM", "GRU"])
@pytest.mark.parametrize("method", ["snap", "rflo"])
def test_of_a_dense_cell_they_differ_but_point_the_same_way(name, method):
    exact, found = gradient(name, "exact"), gradient(name, method)
    assert (found - exact).norm() > 1e-3 * exact.norm()
    assert torch.cosine_similarity(found, exact, dim=0) > 0.9
    truncated = gradient(name, "truncated")
    assert (found - exact).norm() < (truncated - exact).norm()


def test_of_one_unit_nothing_else_is_followed():
    """SnAp-1 against its definition: masks of J and I, step by step."""
    cell = shaken("Elman", 3, 4)
    learner, carried = RTRL(ost.RNN(cell), "snap"), None
    x = torch.randn(2, 4, 3, dtype=F64)
    for t in range(4):
        _, carried = learner(x[:, t : t + 1], carried)
    h, expected = torch.zeros(2, 4, dtype=F64), torch.zeros(2, 4, 3, dtype=F64)
    diagonal = cell.recur.weight.diagonal()
    for t in range(4):
        h = cell(x[:, t], h)[1].detach()
        slope = 1 - h * h
        expected = (slope * diagonal)[..., None] * expected + slope[..., None] * x[:, t, None]
    # (B, N, leaves, gates, D) of the input matrix
    found = next(s for s in carried.kept if s.shape == (2, 4, 1, 1, 3))
    torch.testing.assert_close(found[:, :, 0, 0], expected.detach())


def test_two_steps_reach_what_is_connected():
    cell = shaken("Elman", 3, 4)
    with torch.no_grad():
        cell.recur.weight.copy_(torch.eye(4, dtype=F64).roll(1, 0))  # a ring
    kept = []
    for order in (2, 4):
        learner, carried = RTRL(ost.RNN(cell), "snap", order), None
        for _ in range(6):
            _, carried = learner(torch.randn(2, 1, 3, dtype=F64), carried)
        kept.append(next(s for s in carried.kept if s.shape[-1] == 3))
    reached = [(s != 0).any(-1).sum() / (2 * 4) for s in kept]
    assert [float(each) for each in reached] == [2, 4]


@pytest.mark.parametrize("name", ["ParaGRU", "LSTM"])
def test_of_rank_one_they_are_right_on_average(name):
    exact = gradient(name, "exact", steps=4)
    draws = torch.stack([gradient_of_signs(name, seed) for seed in range(8)])
    error = draws.std(0) / len(draws) ** 0.5
    # the mean over 8 · 250 draws, within five standard errors
    assert ((draws.mean(0) - exact).abs() <= 5 * error + 1e-9).double().mean() > 0.99
    assert error.norm() < 0.5 * exact.norm()


def gradient_of_signs(name, seed):
    rnn = ost.RNN(shaken(name, 3, 4))
    torch.manual_seed(1)
    x, weights = torch.randn(2, 4, 3, dtype=F64), torch.randn(2, 4, 4, dtype=F64)
    repeated = (each.repeat(250, 1, 1) for each in (x, weights))
    learner = RTRL(rnn, "uoro", generator=torch.Generator().manual_seed(seed))
    found, _ = forward_in_time(learner, *repeated, [1] * 4)
    return torch.cat([g.flatten() for g in found]) / 250


def test_of_rank_one_masks_are_heeded():
    rnn = ost.RNN(shaken("ParaGRU", 3, 4))
    x = torch.randn(2, 4, 3, dtype=F64)
    resets = torch.zeros(2, 4, dtype=torch.bool)
    resets[0, 3] = True

    def kept(x, **masks):
        return RTRL(rnn, "uoro", generator=torch.Generator().manual_seed(0))(x, **masks)[1].kept

    s, *_ = kept(x, lengths=torch.tensor([4, 2]))
    shorter, *_ = kept(x[:, :2])
    torch.testing.assert_close(s[1], shorter[1])
    signs = kept(x, resets=resets)[0][0]
    assert torch.unique(signs.abs()).numel() == 1  # nothing but ρ₁ ν after a restart


def test_a_cell_whose_gates_are_not_its_units_is_refused():
    rnn = ost.RNN(shaken("SLSTM", 3, 4, heads=2))
    with pytest.raises(ArgumentError, match="takes cells without heads"):
        RTRL(rnn, "snap")(torch.zeros(1, 2, 3, dtype=F64))
