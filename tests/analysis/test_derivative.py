import pytest
import torch

import ostinato as ost
from ostinato.analysis.derivative import flatten, jacobian, push, unflatten, visited
from ostinato.cells import make_cell
from ostinato.core.errors import CellError
from ostinato.core.state import leaves

F64 = torch.float64


class Counter(ost.Cell):
    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 1, dtype=torch.long)

    def forward(self, x, n):
        return n, n + 1


@pytest.mark.parametrize("name", ["Elman", "LSTM", "LayerNormGRU"])
def test_the_jacobian_is_that_of_autograd(name):
    torch.manual_seed(0)
    cell, x = make_cell(name, 3, 4, dtype=F64), torch.randn(2, 3, dtype=F64)
    state = unflatten(torch.randn(2, 8 if name == "LSTM" else 4, dtype=F64), cell.initial_state(2))
    new, found = jacobian(cell, x, state)
    torch.testing.assert_close(flatten(new), flatten(cell(x, state)[1]))
    for row in range(2):
        own = flatten(state)[row : row + 1]
        expected = torch.autograd.functional.jacobian(
            lambda h, row=row: flatten(cell(x[row : row + 1], unflatten(h, state))[1]), own
        )
        torch.testing.assert_close(found[row], expected[0, :, 0])


def test_directions_are_pushed_by_it():
    torch.manual_seed(0)
    cell, x = make_cell("GRU", 3, 4, dtype=F64), torch.randn(2, 3, dtype=F64)
    state, directions = torch.randn(2, 4, dtype=F64), torch.randn(2, 5, 4, dtype=F64)
    j = jacobian(cell, x, state)[1]
    torch.testing.assert_close(push(cell, x, state, directions)[1], directions @ j.mT)


def test_visited_states_are_those_of_the_loop():
    cell, x = make_cell("LSTM", 3, 4), torch.randn(2, 5, 3)
    found, state = flatten(visited(cell, x)).view(2, 5, 8), cell.initial_state(2)
    for t in range(5):
        state = cell(x[:, t], state)[1]
        torch.testing.assert_close(found[:, t], flatten(state))


def test_flatten_and_back():
    state = (torch.randn(2, 3), {"a": torch.randn(2, 2, 2)})
    back = unflatten(flatten(state), state)
    assert all(torch.equal(a, b) for a, b in zip(leaves(state), leaves(back), strict=True))


def test_a_state_of_whole_numbers_has_no_derivative():
    with pytest.raises(CellError, match=r"holds torch\.int64"):
        jacobian(Counter(), torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.long))
