"""Linear recurrence over grids and sequences."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.over.block import Block
from ostinato.over.dag import DAG
from ostinato.over.graph import graph_scan
from ostinato.over.grid import gating_matrix, grid_scan, line_scan

from .loops import constant_gates, draw, grid_loop, random_grid

EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("block", [(1, 1), (2, 2), (4, 1), (1, 8), (8, 8)])
@pytest.mark.parametrize("sizes", [(5, 3), (4, 4, 2, 3, 2), (1, 6), (1, 1)])
def test_every_block_size_equals_the_loop(sizes, block):
    case = random_grid(*sizes)
    found = grid_scan(*case[:4], block=block, left=case[4], up=case[5])
    for a, b in zip(found, grid_loop(*case), strict=True):
        torch.testing.assert_close(a, b, **EXACT)


@pytest.mark.parametrize("block", [(1, 1), (2, 4)])
def test_gradients_equal_those_of_the_loop(block):
    q, k, v, gates, left, up = random_grid(3, 5, 2)
    wanted = [each.requires_grad_() for each in (q, k, v, left, up, *vars(gates).values())]

    def gradients(results):
        return torch.autograd.grad(sum(each.sin().sum() for each in results), wanted)

    found = gradients(grid_scan(q, k, v, gates, block=block, left=left, up=up))
    torch.testing.assert_close(found, gradients(grid_loop(q, k, v, gates, left, up)), **EXACT)


@pytest.mark.parametrize("sizes", [(3, 5), (4, 4, 2, 2, 3)])
def test_the_gating_matrix_is_the_whole_grid_at_once(sizes):
    q, k, v, gates, *_ = random_grid(*sizes)
    matrix = gating_matrix(gates)
    scores = q.flatten(1, 3) @ k.flatten(1, 3).mT * q.shape[-1] ** -0.5
    y = ((matrix * scores) @ v.flatten(1, 3)).view(*q.shape[:-1], v.shape[-1])
    torch.testing.assert_close(y, grid_scan(q, k, v, gates, block=(2, 2))[0], **EXACT)


def test_a_grid_cut_in_four_passes_its_borders_on():
    q, k, v, gates, left, up = random_grid(5, 7)
    whole, right, down = grid_scan(q, k, v, gates, left=left, up=up)
    parts, ups = {}, {0: up[:, :2], 2: up[:, 2:]}
    rights = []
    for y in (slice(0, 3), slice(3, 7)):
        enters = left[:, y]
        for x in (slice(0, 2), slice(2, 5)):
            cut = [each[:, x, y] for each in (q, k, v)]
            inside = gates.map(lambda gate, x=x, y=y: gate[:, x, y])
            parts[x.start, y.start], enters, ups[x.start] = grid_scan(
                *cut, inside, left=enters, up=ups[x.start], block=(2, 2)
            )
        rights.append(enters)
    rows = [torch.cat([parts[x, y] for x in (0, 2)], 1) for y in (0, 3)]
    torch.testing.assert_close(torch.cat(rows, 2), whole, **EXACT)
    torch.testing.assert_close(torch.cat(rights, 1), right, **EXACT)
    torch.testing.assert_close(torch.cat([ups[0], ups[2]], 1), down, **EXACT)


@pytest.mark.parametrize("block", [1, 4, 64])
def test_a_line_equals_its_recurrence(block):
    steps, states = 13, 2
    q, k, v = draw(steps, 3, 4), draw(steps, 2, 4), draw(steps, 2, 5)
    t, s, m, d = (0.5 * draw(steps, *e) for e in ((states, states), (states, 2), (3, states),
                                                  (3, 2)))  # fmt: skip
    state = init = draw(states, 4, 5)
    ys = []
    for n in range(steps):
        outer = torch.einsum("bju,buk,buv->bjkv", s[:, n], k[:, n], v[:, n])
        own = torch.einsum("bwu,buk,buv->bwkv", d[:, n], k[:, n], v[:, n])
        found = torch.einsum("bwj,bjkv->bwkv", m[:, n], state) + own
        ys.append(0.5 * torch.einsum("bwk,bwkv->bwv", q[:, n], found))
        state = torch.einsum("bij,bjkv->bikv", t[:, n], state) + outer
    y, last = line_scan(q, k, v, t, s, m, d, block=block, init=init)
    torch.testing.assert_close(y, torch.stack(ys, 1), **EXACT)
    torch.testing.assert_close(last, state, **EXACT)


def test_a_grid_is_a_graph():
    """One orientation of a grid is the recurrence over its edges."""
    columns, rows = 3, 4
    q, k, v, gates, *_ = random_grid(columns, rows)
    cell = {(x, y): x * rows + y for x in range(columns) for y in range(rows)}
    ends = [
        ((x, y), target) for x, y in cell for target in ((x + 1, y), (x, y + 1)) if target in cell
    ]
    dag = DAG(torch.tensor([[cell[a] for a, _ in ends], [cell[b] for _, b in ends]]))
    line = dag.line_graph

    def side(a, b):
        return 0 if b[0] > a[0] else 1  # to the right, or down

    def of(pair, names):
        return getattr(gates, names[side(*pair)])[:, pair[0][0], pair[0][1], 0, 0]

    turns = (("t_rl", "t_ru"), ("t_dl", "t_du"))
    transition = torch.stack(
        [
            of(ends[after], [turns[r][side(*ends[before])] for r in (0, 1)])
            for before, after in line.edges.T.tolist()
        ]
    )
    source = torch.stack([of(pair, ("s_r", "s_d")) for pair in ends])
    outer = torch.stack([k[:, x, y, 0, :, None] * v[:, x, y] for (x, y), _ in ends])
    written = source[..., None, None] * outer
    _, states = graph_scan(
        lambda x, before: (x, x + before),
        line,
        written,
        init=torch.zeros_like(written),
        edge_x=transition,
        message=lambda state, x, t: t[..., None, None] * state,
    )
    found = torch.zeros(columns, rows, 2, 3, 2, dtype=torch.float64)
    for state, (a, (x, y)) in zip(states, ends, strict=True):
        mark = (gates.m_l, gates.m_u)[side(a, (x, y))]
        found[x, y] += mark[:, x, y] * state
    y = torch.einsum("bxywk,xybkv->bxywv", q, found) * 3**-0.5
    own = gates.g * (q @ k.mT) @ v * 3**-0.5
    torch.testing.assert_close(y + own, grid_scan(q, k, v, gates)[0], **EXACT)


def weights(columns, rows, *transitions):
    """What every cell (x, y) reads of what the corner wrote, under constant transitions."""
    matrix = gating_matrix(constant_gates(columns, rows, *transitions))
    return matrix[:, 0].view(columns, rows)


def test_without_one_turn_every_cell_is_reached_once():
    for turns in ((1, 0), (0, 1)):
        reached = weights(6, 5, 1, *turns, 1)
        # Straight along an edge of the grid or with one turn: there is one path for either start.
        assert reached[1:, 0].eq(1).all()
        assert reached[0, 1:].eq(1).all()
        assert reached[1:, 1:].eq(1).all()


def test_with_both_turns_the_number_of_paths_explodes():
    reached = weights(6, 5, 1, 1, 1, 1)
    for x in range(6):
        for y in range(5):
            expected = math.comb(x + y, x) if x or y else 0
            assert reached[x, y] == expected


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_a_beam_keeps_its_mass_and_spreads_like_a_square_root(share):
    side, a = 32, share
    gates = constant_gates(side, side, a, a, 1 - a, 1 - a)
    gates = Block(**{**vars(gates), "s_r": a * gates.s_r, "s_d": (1 - a) * gates.s_d})
    reached = gating_matrix(gates)[:, 0].view(side, side)
    peaks = []
    for far in (8, 16, 31):
        diagonal = torch.stack([reached[x, far - x] for x in range(far + 1)])
        binomial = [math.comb(far, x) * a**x * (1 - a) ** (far - x) for x in range(far + 1)]
        torch.testing.assert_close(diagonal, torch.tensor(binomial, dtype=torch.float64), **EXACT)
        assert float(diagonal.sum()) == pytest.approx(1, abs=1e-12)
        assert abs(int(diagonal.argmax()) - a * far) <= 1
        peaks.append(float(diagonal.max()))
    slope = math.log(peaks[-1] / peaks[0]) / math.log(31 / 8)
    assert slope == pytest.approx(-0.5, abs=0.04)


def test_what_does_not_fit_is_refused():
    q, k, v, gates, _, up = random_grid(3, 4)
    with pytest.raises(ArgumentError, match=r"powers of two; got block=\(3, 2\)"):
        grid_scan(q, k, v, gates, block=(3, 2))
    with pytest.raises(ShapeError, match="q needs the axes"):
        grid_scan(q[:, :2], k, v, gates)
    with pytest.raises(ShapeError, match="q and k need one size; got 3 and 2"):
        grid_scan(q, k[..., :2], v, gates)
    with pytest.raises(ShapeError, match="`left`"):
        grid_scan(q, k, v, gates, left=up)


def test_gates_that_are_the_same_for_all_rows_need_no_batch():
    q, k, v, gates, left, _ = random_grid(3, 4)
    one = gates.map(lambda gate: gate[0])
    every = one.map(lambda gate: gate.expand(2, *gate.shape))
    expected = grid_scan(q, k, v, every, block=(2, 2), left=left[:1].expand(2, -1, -1, -1, -1))
    found = grid_scan(q, k, v, one, block=(2, 2), left=left[0])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **EXACT)
