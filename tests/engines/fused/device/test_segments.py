"""What a step becomes when it is divided at its products."""

from __future__ import annotations

import torch

from ostinato.engines.fused.device.segments import divide
from ostinato.engines.fused.program import Program

from ..steps import W
from .kernels import kernel


def divided(step, name="forward"):
    return divide(kernel(step).programs[name])


def kinds(division):
    return [type(stage) is Program for stage in division.stages]


def test_a_product_of_the_state_comes_first():
    assert kinds(divided(lambda h, x: torch.tanh(h @ W + x))) == [False, True]


def test_products_that_wait_for_one_another_have_a_segment_between():
    step = divided(lambda h, x: torch.tanh(torch.tanh(h @ W) @ W + torch.sigmoid(h)))
    assert kinds(step) == [False, True, False, True]
    first, last = step.programs
    # The sigmoid is computed where it is needed, and waits nowhere.
    assert len(first.results) == 1
    assert {value.op for value in last.read.values()} == {"matmul", "carry"}


def test_what_two_stages_read_is_handed_on():
    step = divided(lambda h, x: torch.tanh((y := torch.sigmoid(h)) @ W + x) * y)
    first, last = step.programs
    (port,) = first.results
    assert port in last.read
    assert port in step.kept


def test_results_and_states_are_written_once():
    for name in ("forward", "forward_saving", "backward"):
        step = divided(lambda h, x: torch.tanh(h @ W + x) * (h @ W), name)
        written = [port for program in step.programs for port in program.results]
        written += [step.ports[value] for value in step.products]
        assert len(written) == len(set(written))
        states = {f"next_{i}" for i in range(len(step.states))}
        results = {port for port in step.sequences if port.startswith(("carry", "grad_input"))}
        assert set(written) >= states | results


def test_a_part_of_a_product_is_put_out_by_a_segment_behind_it():
    step = divided(lambda h, x: (h @ torch.cat([W, W], 1))[:, 3:9])
    assert kinds(step) == [False, True]
    assert step.programs[0].results.keys() == {"carry_0"}
