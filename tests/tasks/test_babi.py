"""The bAbI task."""

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.babi import BabiTask


@pytest.fixture(scope="module")
def task():
    return BabiTask(kinds=(1, 2))


def words(task, row):
    return " ".join(task.words[symbol - 1] for symbol in row.tolist())


def test_rows_are_a_story_and_a_question(task):
    batch = task.batch(0, 8)
    for row, length, target in zip(batch.inputs, batch.lengths, batch.targets, strict=True):
        text = words(task, row[:length])
        *facts, question = text.split(" . ")
        assert question.startswith("where is")
        assert question.endswith(" ?")
        assert task.answers[target] in text
        assert facts
        assert row[length:].eq(0).all()


def test_stops_are_the_marks(task):
    assert [task.words[k - 1] for k in task.stops] == [".", "?"]


def test_splits_have_their_sizes_and_share_nothing(task):
    facts = task.describe()
    assert [facts[f"{split}_questions"] for split in ("train", "valid", "test")] == [
        1800,
        200,
        2000,
    ]
    assert facts["test_commonest_answer"] < 0.3
    rows = [batch.size for batch in task.held_out("valid", 150)]
    assert rows == [150, 50]


def test_more_questions_begin_with_the_same(task):
    more = BabiTask(kinds=(1, 2), count=1200)
    facts = more.describe()
    sizes = [facts[f"{split}_questions"] for split in ("train", "valid", "test")]
    assert sizes == [2160, 240, 2000]
    few, usual = BabiTask(count=100), BabiTask()
    assert few.words == usual.words
    for row in range(90):
        assert torch.equal(few._sequences["train"][0][row], usual._sequences["train"][0][row])
    with pytest.raises(ArgumentError, match="count"):
        BabiTask(count=9)


def test_an_epoch_reads_every_question_once(task):
    targets = torch.cat([task.batch(step, 100).targets for step in range(18)])
    assert torch.equal(targets.bincount(), task._sequences["train"][1].bincount())


def test_a_folder_takes_the_place_of_the_generator(tmp_path):
    for part in ("train", "test"):
        text = "1 Ann slept.\n2 Is Ann awake? \tno\t1\n" * 20
        (tmp_path / f"qa9_negation_{part}.txt").write_text(text)
    task = BabiTask(str(tmp_path), (9,))
    assert task.answers == ["no"]
    assert words(task, task.batch(0, 1).inputs[0]) == "ann slept . is ann awake ?"


def test_other_kinds_need_a_path():
    with pytest.raises(ArgumentError, match="Stories are generated for the kinds"):
        BabiTask(kinds=(1, 9))
