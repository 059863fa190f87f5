from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.compiler import structure as module
from ostinato.compiler.fission import split
from ostinato.compiler.reach import Degree
from ostinato.compiler.structure import Coupling, Pattern, read, structure, verify
from ostinato.compiler.trace import trace

SIZE = 6


def fissioned(step, *shapes, x=(SIZE,)):
    carry = tuple(torch.zeros(2, *shape) for shape in shapes)
    return split(trace(step, carry[0] if len(carry) == 1 else carry, torch.zeros(2, *x)))


def table(found):
    assert found.verified
    assert not found.findings
    return [[str(each) for each in row] for row in found.couplings]


def of_cell(name, **options):
    cell = make_cell(name, 3, 4, **options)
    step = trace(lambda h, x: cell(x, h)[::-1], cell.initial_state(2), torch.zeros(2, 3))
    return structure(split(step))


@pytest.mark.parametrize("name", ["Elman", "GRU", "MinimalGated", "LayerNormGRU"])
def test_matrices_of_the_state_make_a_core_dense(name):
    found = of_cell(name)
    assert table(found) == [["dense, nonlinear"]]
    assert not found.affine


def test_the_leaves_of_an_lstm_are_coupled_differently():
    assert table(of_cell("LSTM")) == [
        ["dense, nonlinear", "elementwise, nonlinear"],
        ["dense, nonlinear", "elementwise, affine"],
    ]
    assert table(of_cell("LSTM", peepholes=True))[1][1] == "elementwise, nonlinear"
    assert table(of_cell("LayerNormLSTM"))[0][1] == "dense, nonlinear"


def leaky(h, x):
    return 0.9 * h + 0.1 * torch.tanh(x), h


def gated(h, x):
    z = torch.sigmoid(x)
    return (1 - z) * h + z * x, h


def reset(h, x):
    return torch.where(x > 0, torch.zeros_like(h), h - x), h


def combined(h, x):
    return torch.addcmul(h / (1 + x * x), h.neg(), x), h


@pytest.mark.parametrize("step", [leaky, gated, reset, combined])
def test_elementwise_affine(step):
    found = structure(fissioned(step, (SIZE,)))
    assert table(found) == [["elementwise, affine"]]
    assert found.affine


@pytest.mark.parametrize(
    "step",
    [
        lambda h, x: (torch.tanh(h) + x, h),
        lambda h, x: (h * h + x, h),
        lambda h, x: (torch.where(h > 0, h, x), h),
        lambda h, x: (x / (h.abs() + 1), h),
        lambda h, x: (torch.clamp(h + x, -1, 1), h),
    ],
)
def test_elementwise_nonlinear(step):
    assert table(structure(fissioned(step, (SIZE,)))) == [["elementwise, nonlinear"]]


def test_a_matrix_makes_a_linear_recurrence_dense_and_affine():
    recur = nn.Linear(SIZE, SIZE)
    found = structure(fissioned(lambda h, x: (recur(h) + x, h), (SIZE,)))
    assert table(found) == [["dense, affine"]]
    assert found.affine
    assert found.pattern is Pattern.DENSE


def test_heads_are_found_in_flat_and_in_shaped_states():
    weight = torch.randn(3, 2, 2)

    def flat(h, x):
        mixed = torch.einsum("bkd,kde->bke", h.view(-1, 3, 2), weight)
        return mixed.flatten(1) + x, h

    def shaped(h, x):
        return torch.tanh(torch.einsum("bkd,kde->bke", h, weight)) + x.view(-1, 3, 2), h

    found = structure(fissioned(flat, (SIZE,)))
    assert table(found) == [["per-head block (3 × 2×2), affine"]]
    assert (found.couplings[0][0].heads, found.couplings[0][0].block) == (3, (2, 2))
    assert table(structure(fissioned(shaped, (3, 2)))) == [["per-head block (3 × 2×2), nonlinear"]]


def test_a_norm_over_each_head_keeps_heads_apart_and_one_over_all_does_not():
    def step(h, x, width):
        return nn.functional.layer_norm(h.view(-1, 6 // width, width), [width]).flatten(1) + x, h

    found = structure(fissioned(lambda h, x: step(h, x, 2), (SIZE,)))
    assert table(found) == [["per-head block (3 × 2×2), nonlinear"]]
    found = structure(fissioned(lambda h, x: step(h, x, 6), (SIZE,)))
    assert table(found) == [["dense, nonlinear"]]


def test_softmax_couples_what_it_is_over():
    found = structure(fissioned(lambda h, x: (torch.softmax(h, -1) + x, h), (SIZE,)))
    assert table(found) == [["dense, nonlinear"]]
    # A softmax of the input alone is no part of the core.
    found = structure(fissioned(lambda h, x: (torch.softmax(x, -1) * h, h), (SIZE,)))
    assert table(found) == [["elementwise, affine"]]


@pytest.mark.parametrize(
    "move",
    [
        lambda h: h.flip(-1),
        lambda h: h.roll(1, -1),
        lambda h: h[:, [2, 0, 1, 5, 3, 4]],
        lambda h: h.view(-1, 2, 3).transpose(1, 2).flatten(1),
        lambda h: torch.cat([h[:, 1:], h[:, :1]], -1),
    ],
)
def test_a_permuted_state_is_dense(move):
    found = structure(fissioned(lambda h, x: (move(h) + x, h), (SIZE,)))
    assert table(found) == [["dense, affine"]]


def test_what_does_not_read_the_carry_is_not_coupled():
    found = structure(fissioned(lambda s, x: ((x, s[1] + 1, s[0]), x), (SIZE,), (SIZE,), (SIZE,)))
    assert table(found) == [
        ["none", "none", "none"],
        ["none", "elementwise, affine", "none"],
        ["elementwise, affine", "none", "none"],
    ]
    assert structure(fissioned(lambda h, x: (x, x), (SIZE,))).degree is Degree.CONSTANT


def test_a_matrix_memory_and_its_normaliser_share_heads():
    def step(state, x):
        memory, norm, peak = state
        k, v = x.view(-1, 2, 3), x.view(-1, 2, 3)
        decay = torch.sigmoid(x.view(-1, 2, 3).sum(-1))
        new_peak = torch.maximum(peak + decay.log(), k.sum(-1))
        scale = torch.exp(peak - new_peak)
        memory = scale[..., None, None] * memory + k[..., :, None] * v[..., None, :]
        return (memory, scale[..., None] * norm + k, new_peak), norm

    found = table(structure(fissioned(step, (2, 3, 3), (2, 3), (2,))))
    matrix = "matrix state (diagonal, one A for 3 columns), affine"
    assert found[0] == [matrix, "none", "per-head block (2 × 9×1), nonlinear"]
    assert found[1] == ["none", matrix, "per-head block (2 × 3×1), nonlinear"]
    assert found[2] == ["none", "none", "elementwise, nonlinear"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DeltaNet", "2 × 3×3, one A for 4 columns"),
        ("GatedDeltaNet", "2 × 3×3, one A for 4 columns"),
        ("DeltaProduct", "2 × 3×3, one A for 4 columns"),
        ("RWKV7", "2 × 4×4, one A for 4 columns"),
        ("GatedLinearAttention", "diagonal, one A for 4 columns"),
    ],
)
def test_cells_with_a_matrix_for_a_state(name, kind):
    options = {} if name == "RWKV7" else {"key_size": 3}
    cell = make_cell(name, 3, 8, heads=2, **options)
    step = trace(lambda h, x: cell(x, h)[::-1], cell.initial_state(2), torch.zeros(2, 3))
    found = structure(split(step))
    assert table(found) == [[f"matrix state ({kind}), affine"]]
    assert found.affine


def test_columns_that_differ_or_meet():
    weight = torch.randn(4, 3, 3)

    def own(h, x):
        return torch.einsum("bkc,ckj->bjc", h, weight) + x[:, :4].unsqueeze(1), h

    (row,) = structure(fissioned(own, (3, 4))).couplings
    assert str(row[0]) == "matrix state (1 × 3×3, one A for each of 4 columns), affine"
    assert (row[0].pattern, row[0].columns, row[0].alike) == (Pattern.COLUMNS, 4, 1)

    def meeting(h, x):
        return torch.einsum("bkc,kj->bjc", h, weight[0]) + h.mean(-1, keepdim=True), h

    assert table(structure(fissioned(meeting, (3, 4)))) == [["dense, affine"]]


def test_columns_that_meet_in_fact_are_no_columns():
    fission = fissioned(lambda h, x: (h.flip(-1) + h.sum(1, keepdim=True), h), (3, 4))
    claim = read(fission)
    wrong = replace(claim.couplings[0][0], columns=4, alike=4)
    found = verify(replace(claim, couplings=((wrong,),)), fission)
    assert (found.couplings[0][0].columns, found.couplings[0][0].alike) == (1, 1)
    assert found.findings


def test_a_product_of_state_and_state_is_nonlinear_jointly_and_affine_in_each():
    found = structure(fissioned(lambda s, x: ((s[0] * s[1], s[1] + x), x), (SIZE,), (SIZE,)))
    assert table(found)[0] == ["elementwise, affine"] * 2
    assert not found.affine


def test_operations_that_are_not_known_count_as_dense_and_nonlinear():
    found = structure(fissioned(lambda h, x: (h.sort(-1).values + x, h), (SIZE,)))
    assert table(found) == [["dense, nonlinear"]]
    found = structure(fissioned(lambda h, x: (h.cumsum(-1) * x, h), (SIZE,)))
    assert table(found) == [["dense, affine"]]


def test_states_that_are_no_float32():
    def step(state, x):
        h, steps = state
        return (h * (1j * x).exp(), steps + 1), x

    carry = (torch.zeros(2, SIZE, dtype=torch.complex64), torch.zeros(2, dtype=torch.int64))
    found = structure(split(trace(step, carry, torch.zeros(2, SIZE))))
    assert table(found) == [["elementwise, affine", "none"], ["none", "elementwise, affine"]]


def test_a_wrong_claim_is_found_and_the_larger_coupling_wins():
    recur, fission = nn.Linear(SIZE, SIZE), None
    fission = fissioned(lambda h, x: (torch.tanh(recur(h)) + x, h), (SIZE,))
    right = read(fission)
    for heads, degree in ((0, 0), (SIZE, 1), (3, 1)):
        wrong = replace(
            right,
            couplings=((Coupling(SIZE, SIZE, heads, Degree(degree)),),),
            degree=Degree(degree),
        )
        found = verify(wrong, fission)
        assert found.couplings == right.couplings
        assert found.degree is Degree.NONLINEAR
        assert "dense, nonlinear in fact" in found.findings[0]
        assert "nonlinear in fact" in found.findings[1]


def test_a_wrong_number_of_heads_is_made_smaller_not_one():
    weight = torch.randn(2, 6, 6)

    def step(h, x):
        return torch.einsum("bkd,kde->bke", h.view(-1, 2, 6), weight).flatten(1) + x, h

    fission = fissioned(step, (12,), x=(12,))
    wrong = replace(read(fission), couplings=((Coupling(12, 12, 4, Degree.AFFINE),),))
    found = verify(wrong, fission)
    assert str(found.couplings[0][0]) == "per-head block (2 × 6×6), affine"


def test_rows_that_mix_leave_nothing_known():
    found = structure(fissioned(lambda h, x: (h + x * h.mean(0, keepdim=True), h), (SIZE,)))
    assert found.findings == ("rows of the batch depend on each other",)
    assert str(found.couplings[0][0]) == "dense, nonlinear"


def test_changes_in_place_leave_nothing_known():
    def step(h, x):
        h = h + x
        h[:, 0] = h[:, 1]
        return h, h

    found = structure(fissioned(step, (SIZE,)))
    # Either the trace shows what was changed, or nothing is said.
    assert found.pattern is Pattern.DENSE


def test_a_check_that_cannot_run_is_reported(monkeypatch):
    def broken(fission):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(module, "Probe", broken)
    found = structure(fissioned(leaky, (SIZE,)))
    assert (found.verified, found.affine) == (False, True)
    assert found.findings == ("not verified: RuntimeError: no such kernel",)


def test_it_leaves_random_numbers_and_gradients_alone():
    recur = nn.Linear(SIZE, SIZE)
    fission = fissioned(lambda h, x: (recur(h) + x, h), (SIZE,))
    before = torch.random.get_rng_state()
    with torch.inference_mode():
        assert structure(fission).verified
    assert torch.equal(before, torch.random.get_rng_state())
    assert recur.weight.grad is None


def test_large_states_are_sampled():
    found = structure(fissioned(leaky, (3000,), x=(3000,)))
    assert table(found) == [["elementwise, affine"]]
