from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from ostinato.compiler.fission import split
from ostinato.compiler.reach import Degree
from ostinato.compiler.structure import Coupling, Structure, structure
from ostinato.compiler.trace import trace
from ostinato.engines.parallel.linearise import METHODS, Core, Group, groups, linearise

from .loop import assert_near
from .steps import AFFINE


def found_groups(name):
    cell = AFFINE[name]()
    traced = trace(lambda h, x: cell(x, h)[::-1], cell.initial_state(2), torch.randn(2, 3))
    return groups(structure(split(traced)))


def test_leaves_that_depend_on_each_other_are_together():
    assert found_groups("Gated") == (Group((0,), (4,), heads=4),)
    assert found_groups("Rotation") == (Group((0, 1), (4, 4), heads=4), Group((2,), (4,), heads=4))
    assert found_groups("Dense") == (Group((0, 1), (5, 2)),)
    assert [group.leaves for group in found_groups("Forgetful")] == [(0,), (1,)]


def test_a_state_is_gathered_and_parted():
    leaves = [torch.randn(6, 2, 4), torch.randn(6, 2, 4), torch.randn(6, 2, 3)]
    for group, shape in (
        (Group((0, 1), (4, 4), heads=4), (6, 2, 4, 2)),
        (Group((2,), (3,), heads=3), (6, 2, 3)),
        (Group((0, 2), (4, 3)), (6, 2, 7)),
        (Group((0, 1), (4, 4), heads=2), (6, 2, 2, 4)),
        (Group((0,), (4,), columns=2), (6, 2, 2, 2)),
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
    carry, dense = [torch.zeros(6, 5, dtype=torch.float64)], Group((0,), (5,))
    ((a, b),) = linearise(core, carry, [dense], steps=3)
    assert_near([a, b], [matrices.view(3, 2, 5, 5), offsets.view(3, 2, 5)])


def test_what_stands_for_a():
    matrices = torch.randn(6, 5, 5)

    core = Core(
        run=lambda h: [(matrices @ h[0][..., None])[..., 0]],
        push=lambda h, v: [*core.run(h), *core.run(v)],
    )
    carry, dense = [torch.randn(6, 5)], Group((0,), (5,))
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


def test_units_are_the_finest_that_all_couplings_keep_apart():
    def coupling(heads, columns=1, alike=1):
        return Coupling(24, 24, heads, Degree.AFFINE, columns, alike)

    none, apart = coupling(0), coupling(24)
    for couplings, expected in (
        ((apart, coupling(4), coupling(6), none), Group((0, 1), (24, 24), heads=2)),
        ((coupling(24, 1, 6), none, none, coupling(2, 6, 6)), None),
        ((coupling(24, 1, 6), none, coupling(24), none), Group((0, 1), (24, 24), heads=24)),
        ((coupling(2, 6, 6), coupling(24, 1, 6), none, none), Group((0, 1), (24, 24), 2, 6, True)),
        ((coupling(2, 6, 6), apart, none, none), Group((0, 1), (24, 24), 2, 6)),
        ((coupling(2, 6, 6), coupling(4), none, none), Group((0, 1), (24, 24), 2)),
    ):
        table = (couplings[:2], couplings[2:])
        found = groups(Structure(table, Degree.AFFINE))
        if expected is None:
            assert found == (Group((0,), (24,), 24), Group((1,), (24,), 2, 6, True))
        else:
            assert found == (expected,)


@pytest.mark.parametrize(("keys", "columns", "passes"), [(5, 3, 2), (2, 3, 1), (40, 2, 20)])
def test_one_matrix_for_all_columns_takes_fewer_derivatives(keys, columns, passes):
    matrices = torch.randn(6, 2, keys, keys, dtype=torch.float64)
    core = Core(
        run=lambda h: [matrices @ h[0] + 1],
        push=lambda h, v: [*core.run(h), matrices @ v[0]],
    )
    shape = (2, keys, columns)
    group = Group((0,), (math.prod(shape),), 2, columns, alike=True)
    assert group.passes == passes
    carry = [torch.randn(6, *shape, dtype=torch.float64)]
    ((a, new),) = linearise(core, carry, [group], steps=3)
    assert_near(
        [a, new], [matrices.view(3, 2, 2, 1, keys, keys), core.run(carry)[0].mT.reshape(new.shape)]
    )
    ((diagonal, _),) = linearise(core, carry, [group], 3, METHODS["quasi"])
    assert_near([diagonal], [a.diagonal(0, -2, -1)])
    each = replace(group, alike=False)
    ((a_each, _),) = linearise(core, carry, [each], steps=3)
    assert_near([a_each], [a.expand_as(a_each)])
