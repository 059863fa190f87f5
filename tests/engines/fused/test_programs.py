"""The programs of a core: what they carry, read and put out."""

from __future__ import annotations

import torch

from ostinato.engines.fused.derive import derive
from ostinato.engines.fused.programs import backward_program, forward_program, is_carry, port_of

from .steps import W, lowered


def core_of(step):
    core, _ = lowered(step)
    return core, derive(core)


def test_training_puts_out_what_the_gradient_reads():
    core, backward = core_of(lambda h, x: torch.tanh(h @ W + x))
    saving = forward_program(core, backward, "forward_saving", saving=True)
    assert set(saving.results) >= {"carry_0", "saved_0"}
    assert list(saving.results.values())[1:] == list(backward.saved)
    assert saving.advancing == {core.carry[0]: core.new_carry[0]}


def test_a_carry_that_is_put_out_is_a_trajectory_and_no_export():
    core, backward = core_of(lambda h, x: torch.tanh(h + x))
    program = forward_program(core, backward, "forward", saving=False)
    assert is_carry(core, core.exports[0])
    assert set(program.results) == {"carry_0"}
    assert not program.carried


def test_the_reverse_loop_reads_only_what_it_needs():
    core, backward = core_of(lambda h, x: h * 0.5 + x)
    program = backward_program(core, backward)
    assert set(program.read) == {"grad_export_0"}
    assert list(program.carried) == list(backward.grad_carry)


def test_equal_results_are_put_out_once():
    core, backward = core_of(lambda h, x: torch.tanh(h + x[:, :6]))
    program = backward_program(core, backward)
    values = list(program.results.values())
    assert len(values) == len(set(values))
    assert port_of(program.results, values[0]) == next(iter(program.results))
