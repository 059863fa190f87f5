"""Parametrised weights, ours and torch's, on any cell."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.over.time import RNN
from ostinato.wrap import LowRank, Mask, Trainable, Zoneout, parametrise

from .toys import Plain

F64 = torch.float64


def by_hand(cell: Cell, x: Tensor) -> Tensor:
    """The last output, with every weight computed anew at every step."""
    state = cell.initial_state(x.shape[0])
    for t in range(x.shape[1]):
        y, state = cell(x[:, t], state)
    return y


def gradients(cell: Cell, y: Tensor) -> dict[str, Tensor]:
    named = dict(cell.named_parameters())
    grads = torch.autograd.grad(y.square().sum(), list(named.values()))
    return dict(zip(named, grads, strict=True))


def spectral(cell: Cell) -> None:
    parametrizations.spectral_norm(cell.recur)
    cell.eval()  # in training every use of the weight moves its estimate of the norm


PARAMETRISED = {
    "mask": lambda c: parametrise(c, {"recur.weight": Mask.zero_diagonal(4)}),
    "low rank": lambda c: parametrise(c, {"recur.weight": LowRank(2)}),
    "both": lambda c: parametrise(c, {"recur.weight": [LowRank(2), Mask.zero_diagonal(4)]}),
    "orthogonal": lambda c: parametrizations.orthogonal(c.recur),
    "weight norm": lambda c: parametrizations.weight_norm(c.recur),
    "spectral norm": spectral,
}


@pytest.mark.parametrize("checkpoint", [None, 2])
@pytest.mark.parametrize("name", PARAMETRISED)
def test_gradients_through_time_are_those_without_a_cache(name: str, checkpoint: int) -> None:
    cell = Plain(3, 4)
    PARAMETRISED[name](cell)
    x = torch.randn(2, 5, 3, dtype=F64)
    rnn = RNN(cell, engine="reference").train(cell.training)
    y, _ = rnn(x, checkpoint=checkpoint)
    expected = by_hand(cell, x)
    torch.testing.assert_close(y[:, -1], expected)
    found = gradients(cell, y[:, -1])
    for parameter, grad in gradients(cell, expected).items():
        torch.testing.assert_close(found[parameter], grad, msg=parameter)


@pytest.mark.parametrize("name", PARAMETRISED)
def test_a_step_of_an_optimiser_and_removal(name: str) -> None:
    cell = Plain(3, 4)
    PARAMETRISED[name](cell)
    rnn = RNN(cell, engine="reference").train(cell.training)
    x = torch.randn(2, 5, 3, dtype=F64)
    optimiser = torch.optim.SGD(rnn.parameters(), lr=0.1)
    before = cell.recur.weight.detach().clone()
    rnn(x)[0].square().sum().backward()
    optimiser.step()
    after = cell.recur.weight.detach().clone()
    assert not torch.equal(after, before)
    y, _ = rnn(x)
    parametrize.remove_parametrizations(cell.recur, "weight")
    assert isinstance(cell.recur.weight, nn.Parameter)
    torch.testing.assert_close(cell.recur.weight.detach(), after)
    torch.testing.assert_close(rnn(x)[0], y)


def test_torchs_own_function_receives_the_parametrised_weight() -> None:
    cell = parametrise(LSTMCell(3, 4, dtype=F64), {"recur.weight": Mask.zero_diagonal(4, 4)})
    x = torch.randn(2, 5, 3, dtype=F64)
    native, reference = RNN(cell, engine="torch")(x)[0], RNN(cell, engine="reference")(x)[0]
    torch.testing.assert_close(native, reference)


def test_masked_entries_are_zero_and_stay_so() -> None:
    mask = torch.rand(4, 4) < 0.5
    cell = parametrise(Plain(3, 4), {"recur.weight": Mask(mask)})
    rnn = RNN(cell)
    optimiser = torch.optim.AdamW(rnn.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        rnn(torch.randn(2, 5, 3, dtype=F64))[0].sum().backward()
        optimiser.step()
    original = cell.recur.parametrizations.weight.original
    assert torch.equal(cell.recur.weight != 0, mask)
    assert original[~mask].abs().max() == 0
    assert original.grad[~mask].abs().max() == 0


def test_a_mask_is_a_buffer_that_is_saved() -> None:
    source = parametrise(Plain(3, 4), {"recur.weight": Mask.random(4, 4, 0.5)})
    target = parametrise(Plain(3, 4), {"recur.weight": Mask.random(4, 4, 0.5)})
    assert len(list(source.parameters())) == 3
    target.load_state_dict(source.state_dict())
    assert torch.equal(target.recur.weight, source.recur.weight)


def test_nan_behind_a_mask_does_not_leak() -> None:
    weight = torch.tensor([[1.0, float("nan")]])
    assert Mask(torch.tensor([[1, 0]]))(weight).tolist() == [[1.0, 0.0]]


def test_masks_of_graphs_repeat_for_every_gate() -> None:
    edges = torch.tensor([[0, 1], [1, 1]])
    assert Mask.adjacency(edges, 2).mask.tolist() == [[False, True], [True, True]] * 2
    assert Mask.zero_diagonal(2, 2).mask.tolist() == [[False, True], [True, False]] * 2


def test_a_random_mask_has_the_exact_number_of_zeros_and_a_seed() -> None:
    first, second = (
        Mask.random(10, 20, 0.3, torch.Generator().manual_seed(1)).mask for _ in range(2)
    )
    assert int((~first).sum()) == 60
    assert torch.equal(first, second)
    with pytest.raises(ArgumentError, match="sparsity must lie"):
        Mask.random(2, 2, 1.5)


def test_a_mask_of_another_shape_is_rejected() -> None:
    cell = Plain(3, 4)
    with pytest.raises(ShapeError, match=r"\[4, 4\]; got \[5, 5\]"):
        parametrise(cell, {"recur.weight": Mask.zero_diagonal(5)})
    assert not parametrize.is_parametrized(cell.recur)


def test_what_is_not_trained_stays_whatever_the_optimiser_does() -> None:
    cell = LSTMCell(3, 4)
    gates = torch.tensor([1, 0, 1, 0]).repeat_interleave(4)
    masks = {"recur.weight": Trainable(gates[:, None]), "input.bias": Trainable(gates)}
    parametrise(cell, masks)
    before = [cell.recur.weight.detach().clone(), cell.input.bias.detach().clone()]
    optimizer = torch.optim.AdamW(cell.parameters(), 0.1, weight_decay=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        RNN(cell, "reference")(torch.randn(2, 5, 3))[0].square().sum().backward()
        optimizer.step()
    for old, new in zip(before, (cell.recur.weight, cell.input.bias), strict=True):
        assert torch.equal(
            (old != new).flatten(1).any(1) if old.dim() > 1 else old != new, gates > 0
        )
    other = parametrise(LSTMCell(3, 4), {n: Trainable(m.mask) for n, m in masks.items()})
    other.load_state_dict(cell.state_dict())
    assert torch.equal(other.recur.weight, cell.recur.weight)
    with pytest.raises(ShapeError, match=r"shape of the weight \[16, 4\].*got \[3, 4\]"):
        parametrise(LSTMCell(3, 4), {"recur.weight": Trainable(torch.ones(3, 4))})


def test_low_rank_is_the_nearest_of_its_rank() -> None:
    cell = Plain(3, 4)
    weight = cell.recur.weight.detach().clone()
    parametrise(cell, {"recur.weight": LowRank(2)})
    factors = cell.recur.parametrizations.weight
    assert (factors.original0.shape, factors.original1.shape) == ((4, 2), (4, 2))
    torch.testing.assert_close(cell.recur.weight, factors.original0 @ factors.original1.T)
    error = torch.linalg.matrix_norm(cell.recur.weight - weight)
    tail = torch.linalg.svdvals(weight)[2:].square().sum().sqrt()
    torch.testing.assert_close(error, tail)


def test_a_weight_of_that_rank_can_be_assigned() -> None:
    cell = parametrise(Plain(3, 4), {"recur.weight": LowRank(2)})
    weight = torch.randn(4, 2, dtype=F64) @ torch.randn(2, 4, dtype=F64)
    with torch.no_grad():
        cell.recur.weight = weight
    torch.testing.assert_close(cell.recur.weight, weight)


def test_every_gate_has_its_own_factors() -> None:
    cell = parametrise(LSTMCell(3, 4, dtype=F64), {"recur.weight": LowRank(1, blocks=4)})
    ranks = [int(torch.linalg.matrix_rank(gate)) for gate in cell.recur.weight.split(4)]
    assert ranks == [1, 1, 1, 1]
    assert int(torch.linalg.matrix_rank(cell.recur.weight)) > 1


@pytest.mark.parametrize("chart", [LowRank(0), LowRank(5), LowRank(1, blocks=3)])
def test_an_impossible_rank_is_rejected(chart: LowRank) -> None:
    with pytest.raises(ArgumentError, match=r"\[4, 4\] has no"):
        parametrise(Plain(3, 4), {"recur.weight": chart})


def test_an_unknown_parameter_is_guessed_and_nothing_is_changed() -> None:
    cell = Plain(3, 4)
    with pytest.raises(ArgumentError, match=r"no parameter 'recur.weigth'\. Did you mean 'recur.w"):
        parametrise(cell, {"input.weight": LowRank(1), "recur.weigth": LowRank(1)})
    assert not parametrize.is_parametrized(cell.input)


def test_a_second_parametrisation_stands_on_the_first_and_on_wrappers() -> None:
    cell = Zoneout(Plain(3, 4), 0.1)
    parametrise(cell, {"cell.recur.weight": LowRank(1)})
    parametrise(cell, {"cell.recur.weight": Mask.zero_diagonal(4)})
    assert cell.cell.recur.weight.diagonal().abs().max() == 0
    with pytest.raises(ArgumentError, match=r"Known: cell.input.bias, .*, cell.recur.weight\."):
        parametrise(cell, {"q": LowRank(1)})
