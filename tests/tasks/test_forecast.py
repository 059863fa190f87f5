import numpy as np
import pytest
import torch

from ostinato.core.errors import DataError
from ostinato.tasks.forecast import ForecastTask

ROWS = np.stack([np.arange(100.0), np.random.default_rng(0).normal(5, 3, 100)], axis=1)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    return str(tmp_path / "a.npy")


def row_numbers(task, values):
    """Column 0 counts the rows: undo the standardisation."""
    return (values[..., 0] * task.deviation[0] + task.mean[0]).round().long()


def test_standardised_by_the_training_rows(path):
    task = ForecastTask(path, history=8)
    assert task.mean.tolist() == pytest.approx(ROWS[:70].mean(0).tolist())
    assert task.deviation.tolist() == pytest.approx(ROWS[:70].std(0).tolist())
    expected = (ROWS - ROWS[:70].mean(0)) / ROWS[:70].std(0)
    inputs = next(task.held_out("valid", 1)).inputs[0]
    assert torch.allclose(inputs, torch.tensor(expected[62:70], dtype=torch.float32))


@pytest.mark.parametrize("horizon", [1, 5])
def test_targets_lie_the_horizon_ahead_and_inside_training(path, horizon):
    task = ForecastTask(path, history=8, horizon=horizon)
    starts = set()
    for step in range(20):
        batch = task.batch(step, 16)
        numbers = row_numbers(task, batch.inputs)
        assert torch.equal(row_numbers(task, batch.targets), numbers + horizon)
        assert torch.equal(numbers, numbers[:, :1] + torch.arange(8))
        starts |= set(numbers[:, 0].tolist())
    assert starts == set(range(70 - 8 - horizon + 1))


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize(("split", "rows"), [("valid", range(70, 80)), ("test", range(80, 100))])
def test_every_held_out_row_is_scored_once(path, horizon, split, rows):
    task = ForecastTask(path, history=8, horizon=horizon)
    targets = []
    for batch in task.held_out(split, 7):
        scored = batch.target_weights(per_step=True).bool()
        targets += row_numbers(task, batch.targets)[scored].tolist()
        assert torch.equal(
            row_numbers(task, batch.targets), row_numbers(task, batch.inputs) + horizon
        )
    assert targets == list(rows)


def test_batch_is_pure(path):
    task, again = ForecastTask(path, history=8), ForecastTask(path, history=8)
    task.batch(0, 3)
    assert torch.equal(task.batch(4, 3).inputs, again.batch(4, 3).inputs)


def test_persistence_is_the_score_of_repeating_the_input(path):
    task = ForecastTask(path, history=8, horizon=3)
    for split in task.splits:
        scores = [task.score(batch.inputs, batch) for batch in task.held_out(split, 7)]
        total, count = map(sum, zip(*scores, strict=True))
        assert total / count == pytest.approx(task.describe()["persistence"][split], rel=1e-5)


def test_too_few_rows_says_how_many_are_needed(path):
    with pytest.raises(DataError, match=r"100 rows.* 70 to train.*history of 80.*need 81"):
        ForecastTask(path, history=80)
    with pytest.raises(DataError, match="0 valid"):
        ForecastTask(path, history=8, valid_fraction=0)


def test_constant_column_is_named(tmp_path):
    (tmp_path / "c.csv").write_text("x,y\n" + "".join(f"{k},3\n" for k in range(100)))
    with pytest.raises(DataError, match=r"Column 'y'.*3\.0"):
        ForecastTask(str(tmp_path / "c.csv"), history=8)
    assert ForecastTask(str(tmp_path / "c.csv"), columns="x", history=8).inputs.size == 1


def test_default_series_comes_with_the_extra():
    pytest.importorskip("vega_datasets")
    facts = ForecastTask().describe()
    assert facts["rows"] == {"train": 6131, "valid": 876, "test": 1752}
    assert 0 < facts["persistence"]["test"] < 0.1
