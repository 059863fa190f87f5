from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.elman import ElmanCell
from ostinato.core.statistics import Statistics

torch.manual_seed(0)
CELL = ElmanCell(2, 3)
X = torch.randn(4, 20, 2)
LONGEST = {"plain": 20, "packed": 20, "joined": 50}


def test_a_scan_tells_how_each_window_was_solved():
    init, weight = torch.zeros(4, 3), 0.3 * torch.randn(3, 3)

    def step(h, x):
        new = torch.tanh(h @ weight + x)
        return new, new

    xs = torch.randn(20, 4, 3)
    with ost.newton(window=8) as solves:
        carry, ys, stats = ost.scan(step, init, xs, engine="parallel", return_stats=True)
    assert [(each.first, each.steps) for each in stats.solves] == [(0, 8), (8, 8), (16, 4)]
    # One mechanism: the block around the call was told the same.
    assert list(stats.solves) == solves
    assert stats.iterations == max(each.iterations for each in solves) > 1
    assert 0 < stats.residual <= 1e-5
    assert stats.unsolved == 0
    expected = ost.scan(step, init, xs, engine="reference")
    torch.testing.assert_close((carry, ys), expected)
    assert str(stats).startswith("Newton, steps 0…7: converged")


@pytest.mark.parametrize("form", ["plain", "packed", "joined"])
def test_layers_tell_it_last(form):
    layer = ost.Stack([ost.RNN(CELL, "parallel"), ost.RNN(ElmanCell(3, 3), "parallel")])
    x, call = X, {}
    if form == "packed":
        lengths = torch.tensor([20, 9, 9, 1])
        x = torch.nn.utils.rnn.pack_padded_sequence(X, lengths, batch_first=True)
    elif form == "joined":
        x, call = X.reshape(1, 80, 2), {"cu_seqlens": torch.tensor([0, 30, 80])}
    *results, stats = layer(x, return_states=True, return_stats=True, **call)
    assert len(results) == 3
    # One of each layer.
    assert [each.steps for each in stats.solves] == [LONGEST[form]] * 2
    assert stats.iterations > 1


def test_what_iterates_nothing_has_nothing_to_tell():
    stats = ost.RNN(CELL, "reference")(X, return_stats=True)[-1]
    assert stats == Statistics(())
    assert (stats.iterations, stats.residual, str(stats)) == (0, 0.0, "no iterations")


def test_a_call_hears_of_itself_alone():
    layer = ost.RNN(CELL, "parallel")
    with ost.newton() as around:
        first = layer(X, return_stats=True)[-1]
        with ost.newton(window=5) as inside:
            second = layer(X, return_stats=True)[-1]
    assert [len(each.solves) for each in (first, second)] == [1, 4]
    assert list(second.solves) == inside
    assert around == [*first.solves, *second.solves]
