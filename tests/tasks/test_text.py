import hashlib
import json
import math
import time

import pytest
import torch

from ostinato.core.errors import ArgumentError, DataError
from ostinato.tasks.text import TextTask

TEXT = "the quick brown fox jumps over the lazy dog € " * 40


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "fox.txt"
    file.write_text(TEXT, encoding="utf-8")
    return str(file)


def held_out_score(task, outputs_of, batch_size=3):
    totals = torch.zeros(2, dtype=torch.float64)
    for batch in task.held_out("valid", batch_size):
        totals += torch.tensor(task.score(outputs_of(batch), batch), dtype=torch.float64)
    return totals


def uniform(task):
    return lambda batch: torch.zeros(*batch.inputs.shape, task.outputs.count)


def test_reads_the_file_as_it_is(path):
    task = TextTask(path, window=10)
    assert task.texts["train"] + task.texts["valid"] == TEXT
    assert len(task.texts["train"]) == len(TEXT) * 95 // 100
    batch = task.batch(0, 2)
    assert task.vocabulary.decode(batch.inputs[0]) == TEXT[:10]
    assert task.vocabulary.decode(batch.targets[0]) == TEXT[1:11]


def test_batch_is_a_pure_function_of_the_step(path):
    task, again = TextTask(path, window=10), TextTask(path, window=10)
    task.batch(7, 4)
    assert torch.equal(task.batch(3, 4).inputs, again.batch(3, 4).inputs)
    assert not torch.equal(task.batch(3, 4).inputs, task.batch(4, 4).inputs)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_uniform_guesses_cost_log_of_the_count(path, batch_size):
    task = TextTask(path, window=10)
    bits, characters = held_out_score(task, uniform(task), batch_size)
    assert characters == len(task.texts["valid"]) - 1
    assert bits / characters == pytest.approx(math.log2(task.outputs.count))


def test_unknown_characters_cost_their_name(path, tmp_path):
    valid = tmp_path / "valid.txt"
    valid.write_text("the ΩΩ fox", encoding="utf-8")
    task = TextTask(path, str(valid), window=10)
    bits, characters = held_out_score(task, uniform(task))
    assert characters == 9
    expected = 9 * math.log2(task.outputs.count) + 2 * math.log2(1_114_112)
    assert float(bits) == pytest.approx(expected)


def test_bytes_are_counted_by_character(path, tmp_path):
    valid = tmp_path / "valid.txt"
    valid.write_text("a€b", encoding="utf-8")
    task = TextTask(path, str(valid), unit="bytes", window=10)
    assert held_out_score(task, uniform(task)).tolist() == pytest.approx([4 * 8, 2])


def test_held_out_length_is_limited(path):
    task = TextTask(path, window=10, held_out_characters=20)
    assert held_out_score(task, uniform(task))[1] == 19


def test_a_perfect_model_costs_nothing(path):
    task = TextTask(path, window=10)
    sure = lambda batch: 1e3 * torch.nn.functional.one_hot(batch.targets, task.outputs.count)  # noqa: E731
    assert held_out_score(task, lambda batch: sure(batch).float())[0] == 0


def test_folder_holds_out_the_end_of_its_files(tmp_path):
    for k in range(40):
        (tmp_path / f"{k}.md").write_text(f"{k:03d} " * 25)
    task = TextTask(str(tmp_path), pattern="*.md", window=10)
    assert len(task.texts["train"]) == 3800
    assert not set(task.texts["train"].split()) & set(task.texts["valid"].split())
    assert task.describe()["files"] == {"train": 40, "valid": 0}


def test_describe_identifies_the_text(path):
    facts = TextTask(path, window=10).describe()
    cut = len(TEXT) * 95 // 100
    assert facts["train_sha256"] == hashlib.sha256(TEXT[:cut].encode()).hexdigest()
    assert facts["valid_characters"] == len(TEXT) - cut
    assert json.loads(json.dumps(facts)) == facts


def test_too_short_says_how_much_is_needed(path, tmp_path):
    with pytest.raises(DataError, match=r"fox.txt has \d+ characters; at least 5001"):
        TextTask(path, window=5000)
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DataError, match="has 0 characters; at least 65"):
        TextTask(str(tmp_path / "empty.txt"))


def test_bad_options(path):
    with pytest.raises(ArgumentError, match=r"no unit 'byte'\. Did you mean 'bytes'"):
        TextTask(path, unit="byte")
    with pytest.raises(ArgumentError, match="no split 'test'"):
        TextTask(path, window=10).held_out("test", 4)


def test_standard_library_loads_fast_and_splits_by_file():
    start = time.process_time()
    task = TextTask()
    assert time.process_time() - start < 3
    assert len(task.texts["train"]) > 15 * len(task.texts["valid"]) > 1_000_000
    assert 80 < task.outputs.count < 200
    assert task.batch(0, 32).inputs.shape == (32, 64)
