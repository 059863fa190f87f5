from __future__ import annotations

import torch

from ostinato.compiler.fission import split
from ostinato.compiler.structure import structure
from ostinato.compiler.trace import trace
from ostinato.engines.parallel.linearise import METHODS, Core, Group, groups, linearise

from .loop import assert_near
from .steps import AFFINE


def found_groups(name):
    cell = AFFINE[name]()
    traced = trace(lambda h, x: cell(x, h)[::-1], cell.initial_state(2), torch.randn(2, 3))
    return groups(structure(split(traced)))


def test_leaves_that_depend_on_each_other_are_together():
    assert found_groups("Gated") == (Group((0,), (4,), dense=False),)
    assert found_groups("Rotation") == (
        Group((0, 1), (4, 4), dense=False),
        Group((2,), (4,), dense=False),
    )
    assert found_groups("Dense") == (Group((0, 1), (5, 2), dense=True),)
    assert [group.leaves for group in found_groups("Forgetful")] == [(0,), (1,)]


def test_a_state_is_gathered_and_parted():
    leaves = [torch.randn(6, 2, 4), torch.randn(6, 2, 4), torch.randn(6, 2, 3)]
    for group, shape in (
        (Group((0, 1), (4, 4), dense=False), (6, 2, 4, 2)),
        (Group((2,), (3,), dense=False), (6, 2, 3)),
        (Group((0, 2), (4, 3), dense=True), (6, 2, 7)),
    ):
        state = group.gather(leaves)
        assert state.shape == shape
        assert_near(group.part(state), [leaves[i] for i in group.leaves])


def test_a_and_b_are_those_of_the_core():
    matrices = torch.randn(6, 5, 5, dtype=torch.float64)
    offsets = torch.randn(6, 5, dtype=torch.float64)

    core = Core(
        run=lambda h: [(matrices @ h[0][..., None])[..., 0] + offsets],
        push=lambda h, v: [*core.run(h), (matrices @ v[0][..., None])[..., 0]],
    )
    carry, dense = [torch.zeros(6, 5, dtype=torch.float64)], Group((0,), (5,), dense=True)
    ((a, b),) = linearise(core, carry, [dense], steps=3)
    assert_near([a, b], [matrices.view(3, 2, 5, 5), offsets.view(3, 2, 5)])


def test_what_stands_for_a():
    matrices = torch.randn(6, 5, 5)

    core = Core(
        run=lambda h: [(matrices @ h[0][..., None])[..., 0]],
        push=lambda h, v: [*core.run(h), *core.run(v)],
    )
    carry, dense = [torch.randn(6, 5)], Group((0,), (5,), dense=True)
    diagonal = matrices.diagonal(0, 1, 2).view(3, 2, 5)
    expected = {
        "full": matrices.view(3, 2, 5, 5),
        "quasi": diagonal,
        "picard": torch.ones_like(diagonal),
        "jacobi": torch.zeros_like(diagonal),
    }
    assert expected.keys() == METHODS.keys()
    for name, a in expected.items():
        ((found, _),) = linearise(core, carry, [dense], 3, METHODS[name])
        assert_near([found], [a], 1e-6)
