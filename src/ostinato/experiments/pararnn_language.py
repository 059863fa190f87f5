"""The language model on real text: its score, and how Newton's method fares on what it learned.

Source code of the standard library, or a text of one's own, by characters, in windows of 64. The
score is that of the first held-out characters, and so is the one of n-grams that were counted on
the whole training text, of which the model reads a small part only. In the minutes of the small
scale it costs 2.73 bits per character: less than trigrams, 2.93, and more than 4- and 5-grams,
2.43 and 2.25.
"""

from __future__ import annotations

import math
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

NGRAM = Claim(
    "text, bits per character: ParaGRU − n-gram (n = 3; paper scale: 5)",
    "no such baseline; perplexity 18.6, Mamba2 16.5 (400M)",
    at_most=0,
)
LINEAR = Claim(
    "text, bits per character: ParaGRU − the same with a = 0",
    "no such baseline",
    at_most=0.05,
    every_seed=False,
)
TRAINED = Claim(
    "text: most iterations of any layer after training, 2,048 steps, float32",
    "3",
    at_most=4,
)
CLAIMS = (NGRAM, LINEAR, TRAINED)


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
    """Train the model with and without recurrent weights, on the seeds 0 … seeds−1.

    Args:
        size: of the model and its training.
        seeds: how many.
        track: shows the progress.
        task: of `text_task`.
    """
    held_out = task.texts["valid"][: size.characters]
    counted = ngram_bits(task.texts["train"], held_out, size.order)[-1]
    start = torch.from_numpy(task.vocabulary.encode(held_out[:2048])).long()
    scores, curves, iterations = list[list[float]](), list[Curve](), list[float]()
    every = max(1, size.updates // 50)
    for label, linear in (("ParaGRU", False), ("ParaGRU, a = 0", True)):
        runs, found = [], []
        for seed in range(seeds):
            net, run = _train(size, task, label, linear, seed, track)
            runs.append([fmean(run[k : k + every]) for k in range(0, len(run), every)])
            found.append(evaluate(net, task, batch_size=size.batch))
            if not linear:
                iterations.append(max(map(_iterations, solves(net, start[None]))))
        scores.append(found)
        curves.append(Curve(label, range(0, size.updates, every), runs))
    values = {
        NGRAM: [each - counted for each in scores[0]],
        LINEAR: [a - b for a, b in zip(*scores, strict=True)],
        TRAINED: iterations,
    }
    return Measurement(values, [Panel("update", "text loss (nats)", curves)])


def _train(
    size: Size, task: TextTask, label: str, linear: bool, seed: int, track: Track
) -> tuple[ParaRNN, list[float]]:
    torch.manual_seed(seed)
    net = language_net("ParaGRU", task.vocabulary.count, size.width, size.layers)
    if linear:
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
