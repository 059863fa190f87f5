from __future__ import annotations

import torch

from ostinato.compiler.fission import split
from ostinato.compiler.reach import leaf_sizes, reach, shape_for
from ostinato.compiler.trace import trace


def fissioned(step, *carry):
    return split(trace(step, carry, torch.zeros(2, 4)))


def reached(marks, size):
    """(first, last) of each element that one leaf of `size` reaches, or None."""
    low, high = marks[-4].tolist(), marks[-3].tolist()
    return [(size - a, b - 1) if b else None for a, b in zip(low, high, strict=True)]


def test_every_element_has_the_interval_of_what_it_depends_on():
    def step(carry, x):
        (h,) = carry
        head = h[:, :2].sum(-1, keepdim=True) * x[:, :1]
        return (torch.cat([h[:, 3:], x[:, :1], h[:, 1:2].tanh(), head], -1),), h

    (marks,) = reach(fissioned(step, torch.zeros(2, 4)))
    assert reached(marks, 4) == [(3, 3), None, (1, 1), (0, 1)]
    assert marks[0].tolist() == [1, 0, 2, 1]


def test_columns_of_a_matrix_are_followed_along_its_rows():
    def step(carry, x):
        (h,) = carry
        read = (x[:, :3, None] * h).sum(1, keepdim=True)
        return (h + x[:, :3, None] * read + h[:, :, :1],), h

    (marks,) = reach(fissioned(step, torch.zeros(2, 3, 2)))
    first, last = 2 - marks[-2], marks[-1] - 1
    assert first.tolist() == [0] * 6
    assert last.tolist() == [0, 1] * 3


def test_products_follow_the_rows_of_a_matrix():
    weight = torch.randn(2, 2, 2)

    def step(carry, x):
        (h,) = carry
        heads = torch.bmm(h.view(-1, 2, 2).transpose(0, 1), weight).transpose(0, 1)
        return (heads.reshape(-1, 4) + x,), h

    (marks,) = reach(fissioned(step, torch.zeros(2, 4)))
    assert reached(marks, 4) == [(0, 1), (0, 1), (2, 3), (2, 3)]
    assert marks[0].tolist() == [1] * 4


def test_the_degree_in_one_leaf_is_apart_from_that_in_all():
    def step(carry, x):
        a, b = carry
        return (a * b, torch.sigmoid(a) + b), x

    product, added = reach(fissioned(step, torch.zeros(2, 4), torch.zeros(2, 4)))
    assert product[:3, 0].tolist() == [2, 1, 1]
    assert added[:3, 0].tolist() == [2, 2, 1]


def test_new_tensors_like_the_carry_reach_nothing():
    def step(carry, x):
        (h,) = carry
        return (torch.ones_like(h) * x,), h

    (marks,) = reach(fissioned(step, torch.zeros(2, 4)))
    assert not marks.any()


def test_traced_shapes_serve_any_number_of_rows():
    fission = fissioned(lambda carry, x: (carry, x), torch.zeros(2, 3, 4), torch.zeros(2, 4))
    assert leaf_sizes(fission) == [12, 4]
    assert shape_for(fission.trace.carry[0].meta["val"], 5) == (5, 3, 4)
