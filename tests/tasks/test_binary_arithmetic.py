"""Binary multiplication and addition."""

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks.binary_arithmetic import BinaryArithmeticTask


def number(digits):
    return int("".join(map(str, reversed(digits))), 2)


@pytest.mark.parametrize("operation", ["multiply", "add"])
def test_targets_are_the_results(operation):
    task = BinaryArithmeticTask(operation, digits=9)
    for step in range(5):
        batch = task.batch(step, 4)
        digits = batch.inputs.shape[1] // 2
        assert batch.targets.shape == batch.inputs.shape
        for row, target in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            a, b = number(row[:digits]), number(row[digits + 1 :])
            assert row[digits] == 2
            assert number(target) == (a * b if operation == "multiply" else a + b)


def test_lengths_vary_in_training_only():
    task = BinaryArithmeticTask(digits=4, tested_digits=31, held_out_sequences=3)
    assert {task.batch(step, 1).inputs.shape[1] for step in range(40)} == {3, 5, 7, 9}
    (batch,) = task.held_out("valid", 10)
    assert batch.inputs.shape == (3, 63)
    a, b = number(batch.inputs[0, :31].tolist()), number(batch.inputs[0, 32:].tolist())
    assert number(batch.targets[0].tolist()) == a * b


def test_wrong_options_are_named():
    with pytest.raises(ArgumentError, match="no operation 'divide'"):
        BinaryArithmeticTask("divide")
    with pytest.raises(ArgumentError, match="at most 31 digits here; got 32"):
        BinaryArithmeticTask(digits=32)
