"""Every rule against torch; what the language lacks is named with its line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.compiler.fission import Kind, split
from ostinato.compiler.trace import TraceError, trace
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.lower import _RULES, lower

from .evaluator import evaluate
from .kernels import both, needs_compiler
from .steps import STEPS, W, fissioned, lowered
from .written_out import WRITTEN_OUT


@pytest.mark.parametrize("name", STEPS)
def test_a_step_means_what_torch_says(name):
    core, leaves = lowered(STEPS[name])
    for rows in (1, 2, 5):
        h, x = torch.randn(2, rows, 6, dtype=torch.float64)
        (found,) = evaluate(core.new_carry, leaves(h, x), rows)
        torch.testing.assert_close(found, STEPS[name](h, x), rtol=1e-12, atol=1e-12)


def test_every_rule_is_used_by_some_step():
    used = {node.target for step in STEPS.values() for node in fissioned(step).of(Kind.CORE)}
    assert not {str(target) for target in set(_RULES) - used}


@pytest.mark.parametrize(
    "name",
    [
        "unary.relu", "pointwise.maximum", "pointwise.clamp", "pointwise.mul_number",
        "fill.times_zero", "reduction.amax",
    ],
)  # fmt: skip
def test_nan_and_infinity_pass_as_in_torch(name):
    core, leaves = lowered(STEPS[name])
    special = torch.tensor([torch.nan, torch.inf, -torch.inf, 0, 1, -1], dtype=torch.float64)
    h = torch.stack([special, special.roll(1)])
    x = torch.stack([special.roll(2), special.roll(3)])
    (found,) = evaluate(core.new_carry, leaves(h, x), 2)
    torch.testing.assert_close(found, STEPS[name](h, x), equal_nan=True)


def test_exports_are_what_the_output_stage_reads():
    def step(h, x):
        new = torch.tanh(h + x)
        return new, (new * 2, h.sum(-1))

    fission = split(trace(step, torch.zeros(3, 4), torch.zeros(3, 4)))
    core = lower(fission)
    assert set(core.exports) == {core.carry[0], core.new_carry[0]}


def test_a_state_without_features():
    def step(h, x):
        return torch.full_like(h, 0.5) * h + x[:, 0], h

    core = lower(split(trace(step, torch.zeros(3), torch.zeros(3, 4))))
    assert core.new_carry[0].shape == ()
    h, u = torch.randn(2, 5, dtype=torch.float64)
    (found,) = evaluate(core.new_carry, {core.carry[0]: h, core.inputs[0]: u}, 5)
    torch.testing.assert_close(found, 0.5 * h + u)


F = nn.functional


class Lines(nn.Module):
    """One line for each operation, so that a message can be held to it."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, h, x):
        h = torch.tanh(h)
        return self.function(h, x)


def wide(h):
    return h.repeat(1, 256).view(-1, 48, 32)


DECLINED = {
    "cumsum": (lambda h, x: h.repeat(1, 9).cumsum(-1)[:, :6], "cumsum is outside the language"),
    "argmax": (lambda h, x: h + h.argmax(-1, keepdim=True), "argmax is outside the language"),
    "one_hot": (lambda h, x: F.one_hot(h.argmax(-1), 6) + h, "argmax is outside the language"),
    "sort": (lambda h, x: h.sort(-1).values, "sort is outside the language"),
    "gather": (lambda h, x: h.gather(1, (x > 0).long()), "gather is outside the language"),
    "step": (lambda h, x: h[:, 1::4].repeat(1, 3), "a slice whose step"),
    "products": (
        lambda h, x: (wide(h).mT @ wide(h))[:, 0, :6],
        "both change with the step, of 32x48 and 48x32",
    ),
    "both_change": (lambda h, x: W @ h.T @ x, "mixes|changes?|both change|one axis"),
    "rows_summed": (lambda h, x: h - h.sum(0), "goes over the batch|one axis for the batch"),
    "rows_mean": (lambda h, x: h - h.mean(0, keepdim=True), "goes over the batch"),
    "rows_softmax": (lambda h, x: torch.softmax(h, 0), "goes over the batch"),
    "everything": (lambda h, x: h / h.sum(), "goes over the batch|one axis for the batch"),
    "first_row": (lambda h, x: h - h[0], "goes over the batch"),
    "rows_flipped": (lambda h, x: h.flip(0), "flip is outside the language"),
    "batch_norm": (
        lambda h, x: nn.functional.batch_norm(h, None, None, training=True),
        "outside the language|goes over the batch",
    ),
    "precision": (lambda h, x: h.float().tanh().double(), "a change of precision"),
    "integers": (lambda h, x: ((h > 0).long() & (x > 0).long()).double(), "bitwise_and of integ"),
    "carry_shape": (lambda h, x: h[:, :2], r"carry of torch.float64 \[6\] a row and.* \[2\]"),
    "carry_dtype": (lambda h, x: x.float(), "returns torch.float32"),
    "factors": (lambda h, x: torch.addmm(x, h, W, alpha=2), "addmm with factors"),
}  # fmt: skip


@pytest.mark.parametrize("name", DECLINED)
def test_what_the_language_lacks_is_named_with_its_line(name):
    function, words = DECLINED[name]
    with pytest.raises(LowerError, match=words) as caught:
        lower(fissioned(Lines(function)))
    assert f'"{__file__}", line ' in str(caught.value)


def test_rows_may_not_be_cut():
    with pytest.raises(TraceError, match="takes rows of the batch apart"):
        lower(fissioned(Lines(lambda h, x: torch.cat([h[1:], h[:1]]))))


def test_the_line_is_known_of_functions_of_any_name():
    def advance(h, x):
        return h.sort(-1).values

    with pytest.raises(LowerError, match=r"in advance return h\.sort"):
        lower(fissioned(advance))


def test_whole_numbers_look_up_their_rows_before_the_loop():
    table = torch.randn(5, 4, dtype=torch.float64)

    def step(h, x):
        return torch.tanh(h + F.embedding(x, table)), h

    fission = split(trace(step, torch.zeros(3, 4).double(), torch.zeros(3, dtype=torch.long)))
    core = lower(fission)
    assert [value.shape for value in core.inputs] == [(4,)]
    assert not any("embedding" in str(node.target) for node in fission.of(Kind.CORE))


@needs_compiler
@pytest.mark.parametrize("group", ["activation", "norm", "move", "two", "in_place"])
def test_written_out_operations_in_generated_code(group, quick_compile):
    steps = [step for name, step in WRITTEN_OUT.items() if name.startswith(group)]

    def together(state, x):
        new = tuple(step(h, x) for step, h in zip(steps, state, strict=True))
        return tuple(torch.tanh(each) for each in new), torch.cat(new, -1)

    init = torch.randn(len(steps), 3, 6, dtype=torch.float64).unbind()
    both(together, init, torch.randn(4, 3, 6, dtype=torch.float64))


def test_constants_that_are_no_tensors_of_the_step_are_known():
    core, _ = lowered(lambda h, x: torch.nn.functional.logsigmoid(h * W[0]) + x)
    (number,) = core.numbers
    assert core.constants[number].shape == ()
    assert len(core.constants) == 2
