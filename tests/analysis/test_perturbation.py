from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.analysis.perturbation import perturb, perturbation
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.parity import ParityTask


def test_the_change_has_the_norm_that_was_asked_for():
    torch.manual_seed(0)
    weight = torch.randn(8, 8, dtype=torch.float64).fill_diagonal_(0)
    before = weight.clone()
    perturb(weight, 0.2)
    assert float((weight - before).norm() / before.norm()) == pytest.approx(0.2)
    assert weight.diagonal().eq(0).all()


def test_raising_lowers_nothing_and_what_is_zero_stays_zero():
    tau, nothing = torch.rand(50) + 1, torch.zeros(3)
    before = tau.clone()
    perturb(tau, 0.1, raising=True)
    assert (tau > before).all()
    perturb(nothing, 0.1)
    assert nothing.eq(0).all()


def model_of():
    torch.manual_seed(0)
    rnn = RNN(make_cell("Leaky", 1, 6))
    return SequenceModel(nn.Identity(), rnn, nn.Linear(6, 1), per_step=False)


def test_only_the_named_parameter_of_a_copy_changes():
    model, task = model_of(), ParityTask(held_out_sequences=200)
    with torch.no_grad():
        model.head.weight.zero_()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    found = perturbation(model, task, parameter="tau", strengths=(0.1, 10.0), raising=True)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    # The head reads nothing, so that no change of the cell can be seen.
    assert found.scores.tolist() == pytest.approx([found.base] * 2)
    assert found.table().rows[0] == [0.0, found.base]
    assert found.plot().axes


def test_what_is_left_is_relative_to_guessing():
    found = perturbation(model_of(), ParityTask(held_out_sequences=50), strengths=(1e-6,))
    assert found.relative(found.base - 0.25).tolist() == pytest.approx([1])


def test_a_draw_is_known_by_its_seed():
    options = {"strengths": (3.0,), "repeats": 1}
    one, same, other = (
        perturbation(model_of(), ParityTask(held_out_sequences=1000), seed=seed, **options)
        for seed in (0, 0, 1)
    )
    assert one.scores == same.scores
    assert one.scores != other.scores


def test_an_unknown_parameter_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'tau'"):
        perturbation(model_of(), ParityTask(), parameter="taus")
