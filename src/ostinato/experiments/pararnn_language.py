"""The language model on real text: its score, and how Newton's method fares on what it learned.

Source code of the standard library, or a text of one's own, by characters, in windows of 64. The
score is that of the first held-out characters, and so is the one of n-grams that were counted on
the whole training text, of which the model reads a small part only. In the minutes of the small
scale it costs 2.73 bits per character: less than trigrams, 2.93, and more than 4- and 5-grams,
2.43 and 2.25.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from ostinato.engines.parallel.newton import Solve
from ostinato.engines.parallel.solves import newton
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.experiments.pararnn_nets import language_net, without_recurrent_weights
from ostinato.models.time.pararnn import ParaRNN
from ostinato.tasks.ngram import ngram_bits
from ostinato.tasks.text import TextTask
from ostinato.train.evaluate import evaluate

CELLS = ("ParaGRU", "ParaLSTM")
NGRAM = {
    cell: Claim(
        f"text, bits per character: {cell} − n-gram (n = 3; paper scale: 5)",
        f"no such baseline; perplexity {perplexity}, Mamba2 16.5 (400M)",
        at_most=0,
    )
    for cell, perplexity in zip(CELLS, (18.6, 18.4), strict=True)
}
LINEAR = Claim(
    "text, bits per character: ParaGRU − the same with a = 0",
    "no such baseline",
    at_most=0.05,
    every_seed=False,
)
ALIKE = Claim(
    "text, bits per character: ParaLSTM − ParaGRU",
    "−0.013 a token (400M)",
    at_least=-0.1,
    at_most=0.1,
    every_seed=False,
)
TRAINED = {
    cell: Claim(
        f"text, {cell}: most iterations of any layer after training, 2,048 steps, float32",
        "3",
        at_most=4,
    )
    for cell in CELLS
}
CLAIMS = (*NGRAM.values(), LINEAR, ALIKE, *TRAINED.values())


@dataclass(frozen=True)
class Size:
    """How large the model is, and how long it trains.

    Attributes:
        width: of the model.
        layers: its blocks.
        batch: windows at a time.
        updates: optimizer steps.
        rate: peak of the learning rate.
        characters: how many of the held-out text are scored.
        order: n of the n-grams.
    """

    width: int
    layers: int
    batch: int
    updates: int
    rate: float
    characters: int
    order: int


def text_task(size: Size, data: str | None = None) -> TextTask:
    """What is read: a text file or folder of the user's; None: the standard library."""
    return TextTask(data, window=64, held_out_characters=size.characters)


def measure(size: Size, seeds: int, track: Track, task: TextTask) -> Measurement:
    """Train both cells, and one without recurrent weights, on the seeds 0 … seeds−1.

    Args:
        size: of the model and its training.
        seeds: how many.
        track: shows the progress.
        task: of `text_task`.
    """
    held_out = task.texts["valid"][: size.characters]
    counted = ngram_bits(task.texts["train"], held_out, size.order)[-1]
    start = torch.from_numpy(task.vocabulary.encode(held_out[:2048])).long()
    scores, curves = dict[str, list[float]](), list[Curve]()
    values, every = dict[Claim, list[float]](), max(1, size.updates // 50)
    for label in (*CELLS, _WITHOUT):
        runs, scores[label] = [], []
        for seed in range(seeds):
            net, run = _train(size, task, label, seed, track)
            runs.append([fmean(run[k : k + every]) for k in range(0, len(run), every)])
            scores[label].append(evaluate(net, task, batch_size=size.batch))
            if label in CELLS:
                most = max(map(_iterations, solves(net, start[None])))
                values.setdefault(TRAINED[label], []).append(most)
        curves.append(Curve(label, range(0, size.updates, every), runs))
    for cell in CELLS:
        values[NGRAM[cell]] = [each - counted for each in scores[cell]]
    values[LINEAR] = _differences(scores["ParaGRU"], scores[_WITHOUT])
    values[ALIKE] = _differences(scores["ParaLSTM"], scores["ParaGRU"])
    return Measurement(values, [Panel("update", "text loss (nats)", curves)])


_WITHOUT = "ParaGRU, a = 0"


def _differences(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _train(
    size: Size, task: TextTask, label: str, seed: int, track: Track
) -> tuple[ParaRNN, list[float]]:
    torch.manual_seed(seed)
    cell = label.partition(",")[0]
    net = language_net(cell, task.vocabulary.count, size.width, size.layers)
    if label == _WITHOUT:
        without_recurrent_weights(net)
    steps = track(range(size.updates), f"text, {label}, seed {seed}")
    return net, fit(net, task, steps, size.updates, size.rate, size.batch)


@torch.no_grad()
def solves(net: ParaRNN, symbols: Tensor) -> list[Solve]:
    """What becomes of every layer of a model when Newton's method runs it on symbols (B, T)."""
    same = ParaRNN(net.config, "parallel")
    same.load_state_dict(net.state_dict())
    with newton(window=symbols.shape[1]) as found:
        same(symbols)
    return found


def _iterations(solve: Solve) -> float:
    return math.inf if solve.engine else solve.iterations
