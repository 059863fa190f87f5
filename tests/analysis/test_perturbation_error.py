import copy
import math

import pytest
import torch
from torch import nn

from ostinato.analysis.perturbation_error import PerturbationError, perturbation_error
from ostinato.cells.residual_drift import ResidualDriftCell
from ostinato.core.errors import ArgumentError
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.linear_functional import LinearFunctionalTask
from ostinato.train.evaluate import evaluate
from ostinato.wrap import RateMap, parametrise

TASK = LinearFunctionalTask(steps=30, held_out_sequences=50)


def net():
    cell = ResidualDriftCell(1, 4, mixed=False)
    return SequenceModel(nn.Identity(), RNN(cell, "reference"), nn.Linear(4, 1))


def test_without_a_perturbation_it_is_the_loss():
    model = net()
    found = perturbation_error(model, TASK, draws=2)
    assert found.unperturbed == pytest.approx(evaluate(model, TASK) / 2, rel=1e-5)


def test_it_never_falls_and_more_draws_find_no_less():
    model = net()
    few, many = (perturbation_error(model, TASK, draws=n).errors for n in (2, 6))
    assert (few.diff() >= 0).all()
    assert (many >= few).all()
    assert many[-1] > perturbation_error(model, TASK).unperturbed


def test_the_model_is_as_it_was():
    model = net()
    before = copy.deepcopy(model.state_dict())
    perturbation_error(model, TASK, draws=1)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training


def test_the_largest_change_of_every_tensor_is_the_size():
    seen = []

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5))

        def forward(self, x, state, lengths, resets):
            seen.append([float(p.abs().max()) for p in (self.a, self.b)])
            return torch.zeros_like(x), None

    perturbation_error(Constant(), TASK, sizes=[0.5, 0.1], draws=1)
    assert seen == [[0.0, 0.0], pytest.approx([0.1, 0.1]), pytest.approx([0.5, 0.5])]


def test_a_stable_rate_amplifies_less_than_a_free_one():
    """Rates of 0.02 and a perturbation of 0.1: a free rate becomes negative, e^w does not."""
    model = net()
    with torch.no_grad():
        model.layer.cell.rate.fill_(0.02)
    stable = parametrise(copy.deepcopy(model), {"layer.cell.rate": RateMap("exp")})
    free, mapped = (
        float(perturbation_error(m, TASK, sizes=[0.1], draws=5).errors[0]) for m in (model, stable)
    )
    assert free > 2 * mapped


def test_what_overflows_is_infinite():
    found = perturbation_error(net(), TASK, sizes=[1e-3, 1e30], draws=1)
    assert found.errors[-1] == math.inf
    assert found.errors[0] < math.inf


def test_table_and_picture():
    found = PerturbationError(torch.tensor([0.1, 0.2]), torch.tensor([2.0, 3.0]), 1.0)
    assert found.table().rows[1] == pytest.approx([0.1, 2.0, 2.0])
    assert found.plot().axes[0].get_ylabel().startswith("worst loss")


@pytest.mark.parametrize("options", [{"draws": 0}, {"sizes": []}, {"sizes": [0.0]}])
def test_what_is_no_perturbation_is_refused(options):
    with pytest.raises(ArgumentError, match="1 or more draws and sizes above 0"):
        perturbation_error(net(), TASK, **options)
