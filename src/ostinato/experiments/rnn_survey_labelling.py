"""Connectionist temporal classification: strings of digits without the places of the digits.

Three to five handwritten digits of 8 × 8 pixels side by side, read column by column, a stand-in for
handwriting; a bidirectional LSTM with 32 units in each direction. The best path is compared with a
search over prefixes on the same answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ostinato.cells.lstm import LSTMCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.rnn_survey_training import every, fit_task
from ostinato.models.sequence_model import SequenceModel
from ostinato.models.time.ctc import edit_distance, prefix_beam_search
from ostinato.over.time import Bidirectional
from ostinato.tasks.digit_strings import BLANK, DigitStringsTask
from ostinato.train.evaluate import evaluate

ERROR = Claim(
    "strings of digits: label error of the best path (%)",
    "word accuracy 79.7 % online, 74.1 % offline",
    at_most=5,
)
SEARCH = Claim(
    "edits that a search over prefixes saves in 100 strings",
    "prefix search no worse than best path",
    at_least=-2,
    every_seed=False,
)
CLAIMS = (ERROR, SEARCH)


@dataclass(frozen=True)
class Size:
    """How long it trains, and on what.

    Attributes:
        updates: optimizer steps.
        images: as for `DigitStringsTask`.
        units: in each direction.
        dropout: of what the layer gives.
    """

    updates: int
    images: str = "digits"
    units: int = 32
    dropout: float = 0.5


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train with the seeds 0 … seeds−1."""
    errors, saved, runs, updates = [], [], [], range(0)
    for seed in range(seeds):
        torch.manual_seed(seed)
        task = DigitStringsTask(size.images, seed=seed)
        rows = task.rows
        layer = Bidirectional(LSTMCell(rows, size.units), LSTMCell(rows, size.units))
        head = nn.Sequential(nn.Dropout(size.dropout), nn.Linear(2 * size.units, 11))
        model = SequenceModel(nn.Identity(), layer, head)
        shown = track(range(size.updates), f"digit strings, seed {seed}")
        updates, run = every(fit_task(model, task, shown, size.updates, 1e-2, batch_size=16))
        errors.append(100 * evaluate(model, task, batch_size=250))
        saved.append(_saved(model, task))
        runs.append(run)
    panel = Panel("update", "loss (nats per digit)", [Curve("two directions", updates, runs)])
    return Measurement({ERROR: errors, SEARCH: saved}, [panel])


@torch.no_grad()
def _saved(model: SequenceModel, task: DigitStringsTask) -> float:
    """Edits of the best paths, less those of the likeliest strings, on 100 held-out strings."""
    batch = next(task.held_out("valid", 100))
    assert batch.lengths is not None
    logits, _ = model.eval()(batch.inputs, None, batch.lengths)
    edits = 0
    for row, length in enumerate(batch.lengths.tolist()):
        found, _ = prefix_beam_search(logits[row, :length], 5, blank=BLANK)[0]
        edits += edit_distance(found, batch.targets[row][batch.targets[row] >= 0].tolist())
    return task.score(logits, batch)[0] - edits
