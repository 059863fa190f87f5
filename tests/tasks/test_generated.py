import json

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks import make_task

NAMES = (
    "delay_copy",
    "copy",
    "adding",
    "which_process",
    "parity",
    "match_to_sample",
    "running_parity",
    "word_problem",
    "modular_arithmetic",
    "keep_nth",
    "k_hop",
    "associative_recall",
    "marked_value",
    "reber",
)


@pytest.mark.parametrize("name", NAMES)
def test_batches_are_a_pure_function_of_seed_and_step(name):
    task, again, other = make_task(name), make_task(name), make_task(name, seed=1)
    task.batch(0, 8)
    batch = task.batch(5, 8)
    assert torch.equal(batch.inputs, again.batch(5, 8).inputs)
    assert torch.equal(batch.targets, again.batch(5, 8).targets)
    for different in (task.batch(6, 8), other.batch(5, 8)):
        assert batch.inputs.shape != different.inputs.shape or not torch.equal(
            batch.inputs, different.inputs
        )


@pytest.mark.parametrize("name", NAMES)
def test_held_out_set_does_not_depend_on_the_batch_size(name):
    task = make_task(name, held_out_sequences=260)

    def rows(batch_size):
        batches = list(task.held_out("valid", batch_size))
        assert max(batch.size for batch in batches) <= batch_size
        return [row.tolist() for batch in batches for row in batch.inputs]

    assert len(rows(1)) == 260
    assert rows(1) == rows(64) == rows(1000)


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_score_are_finite(name):
    task = make_task(name)
    batch = task.batch(0, 8)
    steps = batch.inputs.shape[1:2] if task.per_step else ()
    width = getattr(task.outputs, "count", None) or task.outputs.size
    outputs = torch.zeros(8, *steps, width)
    assert torch.isfinite(task.loss(outputs, batch))
    total, count = task.score(outputs, batch)
    assert count > 0
    assert total >= 0
    assert json.loads(json.dumps(task.describe())) == task.describe()


def test_unknown_split():
    with pytest.raises(ArgumentError, match="no split 'tests'"):
        list(make_task("adding").held_out("tests", 4))
