import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.groups import group_table

ORDERS = {"Z1": 1, "Z60": 60, "S3": 6, "S4": 24, "A4": 12, "A5": 60, "S5": 120, "A4xZ5": 60}


@pytest.mark.parametrize("name", ORDERS)
def test_the_tables_are_groups(name):
    table, order = group_table(name), ORDERS[name]
    everything = torch.arange(order)
    assert table.shape == (order, order)
    assert torch.equal(table[0], everything)
    assert torch.equal(table[:, 0], everything)
    assert all(torch.equal(row.sort().values, everything) for row in table)
    assert torch.equal(table[table], table[:, table])  # (a∘b)∘c = a∘(b∘c)


@pytest.mark.parametrize(("name", "commutes"), [("Z6", True), ("S3", False), ("A4xZ5", False)])
def test_which_of_them_commute(name, commutes):
    table = group_table(name)
    assert torch.equal(table, table.T) == commutes


def test_in_a_product_of_permutations_the_right_one_comes_first():
    # in lexicographic order: 1 = (0 2 1), 2 = (1 0 2); 2∘1 sends 1 to 2∘1(1) = 2(2) = 2
    elements = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    assert elements[group_table("S3")[2, 1]] == tuple(elements[2][i] for i in elements[1])


@pytest.mark.parametrize("name", ["", "s3", "S8", "Q8", "Z0", "S3x", "Z6000"])
def test_other_names_are_refused(name):
    with pytest.raises(ArgumentError, match="Expected Sn or An"):
        group_table(name)


def test_a_product_that_is_too_large_is_refused():
    with pytest.raises(ArgumentError, match="at most, got one of 14400"):
        group_table("S5xS5")
