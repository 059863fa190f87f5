"""The language model on real text: what memory mixing and heads are worth there.

Source code of the standard library, or a text of one's own, by characters, in windows of 64. The
score is that of the first held-out characters, and so is the one of n-grams that were counted on
the whole training text, of which the model reads a small part only. The model has sLSTM blocks; it
is trained with heads, with R held at 0, and, to see what heads cost, with one, whose matrices are
dense and four times as large: 0.15 bits at the small scale. The paper is not known to claim
anything about that.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import torch

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.experiments.flashrnn_nets import without_memory_mixing
from ostinato.models.time.flashrnn import FlashRNN, FlashRNNConfig
from ostinato.tasks.ngram import ngram_bits
from ostinato.tasks.text import TextTask
from ostinato.train.evaluate import evaluate

NGRAM = Claim(
    "text, bits per character: sLSTM − n-gram (n = 3; paper scale: 5)",
    "no such baseline",
    at_most=0,
)
MIXING = Claim(
    "text, bits per character: sLSTM − the same with R = 0",
    "no such baseline",
    at_most=0,
    every_seed=False,
)
CLAIMS = (NGRAM, MIXING)


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


@dataclass(frozen=True)
class Variant:
    """A model that is trained.

    Attributes:
        label: what it is called.
        heads: of its cells.
        mixing: whether R is trained.
    """

    label: str
    heads: int
    mixing: bool = True


VARIANTS = (
    Variant("4 heads", 4),
    Variant("4 heads, R = 0", 4, mixing=False),
    Variant("1 head", 1),
)


def measure(size: Size, seeds: int, track: Track, data: str | None = None) -> Measurement:
    """Train every variant on the seeds 0 … seeds−1.

    Args:
        size: of the model and its training.
        seeds: how many.
        track: shows the progress.
        data: a text file or folder of the user's; None: the standard library.
    """
    task = TextTask(data, window=64, held_out_characters=size.characters)
    held_out = task.texts["valid"][: size.characters]
    counted = ngram_bits(task.texts["train"], held_out, size.order)[-1]
    every = max(1, size.updates // 50)
    scores, curves = list[list[float]](), list[Curve]()
    for variant in VARIANTS:
        runs, found = list[list[float]](), list[float]()
        for seed in range(seeds):
            net, run = _train(size, task, variant, seed, track)
            runs.append([fmean(run[k : k + every]) for k in range(0, len(run), every)])
            found.append(evaluate(net, task, batch_size=size.batch))
        scores.append(found)
        label = f"{variant.label}: {fmean(found):.2f} bits"
        curves.append(Curve(label, range(0, size.updates, every), runs))
    ours, unmixed, _ = scores
    values = {
        NGRAM: [each - counted for each in ours],
        MIXING: [a - b for a, b in zip(ours, unmixed, strict=True)],
    }
    return Measurement(values, [Panel("update", "text loss (nats)", curves)])


def _train(
    size: Size, task: TextTask, variant: Variant, seed: int, track: Track
) -> tuple[FlashRNN, list[float]]:
    torch.manual_seed(seed)
    count = task.vocabulary.count
    net = FlashRNN(FlashRNNConfig(count, size.width, size.layers, variant.heads))
    if not variant.mixing:
        without_memory_mixing(net)
    steps = track(range(size.updates), f"text, {variant.label}, seed {seed}")
    return net, fit(net, task, steps, size.updates, size.rate, size.batch)
