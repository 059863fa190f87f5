"""Forecasting: predict the values of a series some steps ahead, at every step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import DataError
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.series import load_series
from ostinato.tasks.split import epoch_rows
from ostinato.tasks.table import Table, read_table
from ostinato.tasks.task import Batch, Task, Values


class ForecastTask(Task):
    """Predict x_{t+horizon} from the steps up to t, for all columns of a table.

    The rows are split by time: the first to train on, then "valid", then "test". Each column is
    standardised by the mean and standard deviation of its training rows. A training batch is made
    of windows of `history` steps with a target at each; in the held-out splits every row is
    predicted once, from the `history` steps that were known `horizon` steps before.

    Trivial scores: 1 or so for the mean of the training rows; `describe` gives that of
    persistence, which predicts x_{t+horizon} = x_t.

    Args:
        path: a CSV or .npy file, read by `table.read_table`; None: `series`.
        series: "seattle", "co2" or "sunspots", from the extra `data`.
        columns: names or numbers of the columns, separated by commas; None: all with numbers.
        time: the name or number of a column to leave out.
        history: how many steps a prediction may rest on.
        horizon: how many steps ahead it looks.
        valid_fraction: the share of the rows in "valid".
        test_fraction: the share of the rows in "test".
        seed: what the order of the training windows derives from.

    Attributes:
        mean: of the training rows (D,), to undo the standardisation.
        deviation: their standard deviation (D,).
    """

    name = "forecast"
    metric = "mean squared error (standardised)"
    higher_is_better = False
    splits = ("valid", "test")

    def __init__(
        self,
        path: str | None = None,
        series: str = "seattle",
        columns: str | None = None,
        time: str | None = None,
        history: int = 48,
        horizon: int = 1,
        valid_fraction: float = 0.1,
        test_fraction: float = 0.2,
        seed: int = 0,
    ) -> None:
        require_at_least(1, history=history, horizon=horizon)
        require_at_least(0, valid_fraction=valid_fraction, test_fraction=test_fraction)
        self.path, self.series, self.columns, self.time = path, series, columns, time
        self.history, self.horizon, self.seed = history, horizon, seed
        self.valid_fraction, self.test_fraction = valid_fraction, test_fraction
        table = self._read()
        self._bounds = self._split(len(table.values))
        self._names = table.names
        values = torch.from_numpy(table.values)
        train = values[: self._bounds["train"].stop]
        self.mean, self.deviation = train.mean(0), self._deviation(train)
        self._values = ((values - self.mean) / self.deviation).float()
        self.inputs = self.outputs = Values(len(table.names))

    def batch(self, step: int, batch_size: int) -> Batch:
        """Windows of the training rows: inputs and targets (B, history, D)."""
        require_at_least(1, batch_size=batch_size)
        count = self._bounds["train"].stop - self.history - self.horizon + 1
        return self._windows(epoch_rows(count, step, batch_size, self.seed))

    def held_out(self, split: str, batch_size: int) -> Iterator[Batch]:
        """Windows that end `horizon` steps before each row of a split; only their end weighs."""
        require_one_of(self.splits, split=split)
        require_at_least(1, batch_size=batch_size)
        begins = torch.tensor(self._bounds[split]) - self.history - self.horizon + 1
        for row in range(0, len(begins), batch_size):
            batch = self._windows(begins[row : row + batch_size])
            weights = torch.zeros(batch.size, self.history)
            weights[:, -1] = 1
            yield Batch(batch.inputs, batch.targets, weights=weights)

    def describe(self) -> dict[str, Any]:
        """Rows and columns, how they were standardised, and what persistence scores."""
        return {
            "source": self.path or self.series,
            "columns": list(self._names),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "rows": {split: len(rows) for split, rows in self._bounds.items()},
            "persistence": {split: self._persistence(split) for split in self.splits},
        }

    def _read(self) -> Table:
        if self.path is None:
            return load_series(self.series)
        return read_table(Path(self.path).expanduser(), self.columns, self.time)

    def _split(self, rows: int) -> dict[str, range]:
        test = rows - round(rows * self.test_fraction)
        train = test - round(rows * self.valid_fraction)
        needed = self.history + self.horizon
        if train < needed or train == test or test == rows:
            raise DataError(
                f"{self.path or self.series} has {rows} rows, which gives {train} to train on, "
                f"{test - train} valid and {rows - test} test; a history of {self.history} and a "
                f"horizon of {self.horizon} need {needed}, 1 and 1 or more."
            )
        return {"train": range(train), "valid": range(train, test), "test": range(test, rows)}

    def _deviation(self, train: Tensor) -> Tensor:
        for name, least, most in zip(self._names, train.amin(0), train.amax(0), strict=True):
            if least == most:
                raise DataError(
                    f"Column {name!r} of {self.path or self.series} is {float(least)} in all "
                    "training rows, so it cannot be standardised; leave it out with columns=."
                )
        return train.std(0, correction=0)

    def _windows(self, begins: Tensor) -> Batch:
        steps = begins[:, None] + torch.arange(self.history)
        return Batch(self._values[steps], self._values[steps + self.horizon])

    def _persistence(self, split: str) -> float:
        rows = torch.tensor(self._bounds[split])
        change = self._values[rows] - self._values[rows - self.horizon]
        return float(change.square().mean())
