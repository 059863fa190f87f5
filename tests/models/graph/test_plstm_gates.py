"""The gates of pLSTM on a grid."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.graph.plstm_gates import GateOptions, GridGates


def noisy(mode, **options):
    gates = GridGates(24, 3, mode, options=GateOptions(std=1.0, **options))
    return gates, gates(torch.randn(2, 4, 5, 24))


def test_they_begin_as_in_the_paper():
    for mode in "PD":
        block = GridGates(24, 3, mode)(torch.randn(2, 4, 5, 24))
        assert block.t_rl.shape == (2, 3, 4, 4, 5, 1, 1)
        mark = torch.full_like(block.m_l, 1 / (1 + math.exp(4)))
        torch.testing.assert_close(block.m_l, mark)
        assert not block.g.any()
        if mode == "D":
            torch.testing.assert_close(block.t_rl, torch.full_like(mark, math.tanh(5)))
            torch.testing.assert_close(block.s_r, mark)
    beam = GridGates(24, 3, "P")(torch.zeros(1, 1, 1, 24))
    share = (beam.s_r / (beam.s_r + beam.s_d)).flatten()
    expected = torch.tensor([-2.0, 0.0, 2.0]).sigmoid().repeat_interleave(4)
    torch.testing.assert_close(share, expected)


def test_p_shares_out_what_enters():
    _, block = noisy("P")
    for right, down in ((block.t_rl, block.t_dl), (block.t_ru, block.t_du)):
        total = right.abs() + down.abs()
        assert total.max() <= 1 + 1e-6
        assert total.std() > 0.01
    torch.testing.assert_close(block.m_l, block.m_u)


@pytest.mark.parametrize("chirality", "LR")
def test_d_keeps_one_turn(chirality):
    _, block = noisy("D", chirality=chirality)
    kept, dropped = (block.t_ru, block.t_dl) if chirality == "L" else (block.t_dl, block.t_ru)
    assert not dropped.any()
    assert kept.abs().max() <= 1
    assert kept.any()
    assert not block.m_l.equal(block.m_u)


def test_the_form_of_the_papers_code():
    options = GateOptions(code_compat=True)
    block = GridGates(24, 3, "P", options=options)(torch.randn(2, 4, 5, 24))
    torch.testing.assert_close(block.t_du, 1 - block.t_rl)
    torch.testing.assert_close(block.s_d, 1 - block.s_r)
    assert block.s_d.min() > 0.9


def test_block_diagonal_gates_read_a_part_of_the_features():
    gates = GridGates(24, 3, "D", options=GateOptions(std=1.0, block_diagonal=True))
    x = torch.randn(1, 1, 1, 24, requires_grad=True)
    gates(x).m_l[0, 1, 2].sum().backward()  # head 1, orientation 2
    part = (2 * 3 + 1) * 2
    assert x.grad.flatten().nonzero().flatten().tolist() == [part, part + 1]
    assert gates.weight.numel() == GridGates(24, 3, "D").weight.numel() / 12


def test_biases_only_and_a_convolution():
    fixed = GridGates(24, 3, "D", options=GateOptions(weights=False))
    x = torch.randn(2, 3, 3, 24)
    assert fixed(x).t_rl.shape == (2, 3, 4, 3, 3, 1, 1)
    assert [name for name, _ in fixed.named_parameters()] == ["bias"]
    wide = GridGates(24, 3, "D", options=GateOptions(kernel=3, std=1.0))
    moved = x.clone()
    moved[0, 0, 0] += 1
    changed = (wide(x).m_l != wide(moved).m_l)[0].flatten(0, 1).any(0).flatten(2).any(-1)
    assert changed.tolist() == [[True, True, False], [True, True, False], [False] * 3]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="No mode is called 'X'"):
        GridGates(24, 3, "X")
    with pytest.raises(ArgumentError, match="1 to 4 orientations; got 5"):
        GridGates(24, 3, orientations=5)
    for options, message in (
        ({"chirality": "l"}, "'L' or 'R'"),
        ({"kernel": 2}, "odd side; got 2"),
        ({"kernel": -1}, "odd side; got -1"),
        ({"kernel": 3, "weights": False}, "leave out kernel"),
    ):
        with pytest.raises(ArgumentError, match=message):
            GateOptions(**options)
    for mode, options, message in (
        ("P", {"block_diagonal": True}, "divide; got 10"),
        ("P", {"chirality": "R"}, "Mode P reads no chirality"),
        ("D", {"code_compat": True}, "Mode D reads no code_compat"),
    ):
        with pytest.raises(ArgumentError, match=message):
            GridGates(10, 2, mode, options=GateOptions(**options))
