import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks.modular_arithmetic import ModularArithmeticTask


def _text(symbols, modulus):
    return "".join(str(s) if s < modulus else "+-*()="[s - modulus] for s in symbols)


@pytest.mark.parametrize("brackets", [False, True])
@pytest.mark.parametrize("modulus", [2, 5])
def test_targets_are_the_values_of_the_expressions(brackets, modulus):
    task = ModularArithmeticTask(modulus, brackets)
    batch = task.batch(0, 40)
    for row, length, target in zip(batch.inputs, batch.lengths, batch.targets, strict=True):
        expression = _text(row[:length].tolist(), modulus)
        assert expression.endswith("=")
        assert eval(expression[:-1]) % modulus == target
        assert 3 <= length - 1 <= 40
        if brackets:
            operations = sum(expression.count(sign) for sign in "+-*")
            assert expression.count("(") == expression.count(")") == operations


@pytest.mark.parametrize("brackets", [False, True])
def test_held_out_expressions_are_longer(brackets):
    task = ModularArithmeticTask(brackets=brackets, held_out_longest=90, held_out_sequences=50)
    (batch,) = task.held_out("valid", 50)
    assert batch.lengths.min() > 41
    assert batch.lengths.max() <= 91


def test_lengths_that_no_expression_has_are_refused():
    with pytest.raises(ArgumentError, match=r"they have 1 \+ 4n"):
        ModularArithmeticTask(brackets=True, shortest=6, longest=8)
    with pytest.raises(ArgumentError, match="No expression has 41 to 40"):
        ModularArithmeticTask(held_out_longest=40)
