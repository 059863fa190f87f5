import re

import pytest
import torch

from ostinato.tasks.embedded_reber import ALPHABET, EmbeddedReberTask

EDGES = {
    0: {"T": 1, "P": 2},
    1: {"S": 1, "X": 3},
    2: {"T": 2, "V": 4},
    3: {"X": 2, "S": 5},
    4: {"P": 3, "V": 5},
}


def strings(task, rows=100):
    batch = task.batch(0, rows)
    for inputs, targets, length in zip(batch.inputs, batch.targets, batch.lengths, strict=True):
        assert torch.equal(inputs[1:length], targets[: length - 1])
        whole = [*inputs[:length].tolist(), int(targets[length - 1])]
        yield "".join(ALPHABET[k] for k in whole)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 20), (12, 15), (3, 3)])
def test_strings_are_of_the_grammar(shortest, longest):
    for string in strings(EmbeddedReberTask(shortest, longest)):
        found = re.fullmatch(r"B([TP])B(.*)E\1E", string)
        assert found
        node = 0
        for symbol in found[2]:
            node = EDGES[node][symbol]
        assert node == 5
        assert shortest <= len(found[2]) <= longest + 4


def test_both_borders_and_many_lengths_occur():
    found = list(strings(EmbeddedReberTask()))
    assert {string[1] for string in found} == {"T", "P"}
    assert len({len(string) for string in found}) > 5


def test_score_is_about_the_last_but_one():
    task = EmbeddedReberTask()
    batch = task.batch(0, 50)
    right = torch.nn.functional.one_hot(batch.targets, 7).float()
    assert task.score(right, batch) == (50, 50)
    rows = torch.arange(50)
    border = ALPHABET.index("T")
    always_t = right.clone()
    always_t[rows, batch.lengths - 2] = torch.eye(7)[border]
    share = (batch.inputs[:, 1] == border).sum()
    assert task.score(always_t, batch) == (float(share), 50)
