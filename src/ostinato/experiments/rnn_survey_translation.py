"""Encoder and decoder: reading the source backwards, attention, and a beam.

Copying 8 of 10 symbols (LSTM, H = 64). Read backwards, the first symbol to be written is the last
that was read, and the dependencies are short at the beginning: Sutskever et al. report that it
lowers the perplexity of translation from 5.8 to 4.7. What is measured is the number of updates
until half of the sequences that were held out are copied without an error by greedy decoding; at
the scale "paper" it is 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.lstm import LSTMCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.beam_search import Hypotheses, beam_search
from ostinato.models.time.encoder_decoder import EncoderDecoder, teacher_forced
from ostinato.over.time import RNN
from ostinato.tasks.seeds import generator_at
from ostinato.wrap.attend import Attend

REVERSED = Claim(
    "copying 8 symbols: updates that it takes, source forwards / backwards",
    "perplexity 5.8 → 4.7, BLEU 25.9 → 30.6 (backwards)",
    at_least=1.5,
)
ATTENTION = Claim(
    "the same: source forwards / with attention",
    "attention: no loss on long sentences",
    at_least=1.5,
)
BEAM = Claim(
    "log p of the best of 5, less that of greedy decoding, at update 150 (nats)",
    "beam 12 better than greedy",
    at_least=0.0,
)
CLAIMS = (REVERSED, ATTENTION, BEAM)

BEGIN, END, SYMBOLS = 0, 1, 10
_COMPARED_AT = 150
"""The update at which a beam is compared with greedy decoding, of a net that is not sure yet."""
_WIDTH = 64
KINDS = ("forwards", "backwards", "attention")


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        updates: at most.
        every: between evaluations.
        enough: which accuracy ends it, in percent.
        length: symbols of a sequence.
        rate: of Adam.
    """

    updates: int
    every: int = 25
    enough: float = 50.0
    length: int = 8
    rate: float = 5e-3


def net(kind: str, width: int = _WIDTH) -> EncoderDecoder:
    """An encoder and decoder of one of `KINDS`."""
    count, size = SYMBOLS + 2, width // 2
    encoder = RNN(LSTMCell(size, width), reverse=kind == "backwards")
    decoder, outputs = RNN(LSTMCell(size, width)), width
    if kind == "attention":
        decoder = RNN(Attend(LSTMCell(size + width, width), width, width))
        outputs = 2 * width
    read, write = nn.Embedding(count, size), nn.Embedding(count, size)
    return EncoderDecoder(read, encoder, write, decoder, nn.Linear(outputs, count))


def draw(seed: int, place: str, step: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
    """Sources (B, length), and targets, which are the same and end (B, length + 1)."""
    generator = generator_at(seed, place, step)
    source = torch.randint(2, SYMBOLS + 2, (rows, length), generator=generator)
    return source, F.pad(source, (0, 1), value=END)


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every kind of net with the seeds 0 … seeds−1."""
    runs = {kind: [_learn(kind, seed, size, track) for seed in range(seeds)] for kind in KINDS}
    needed = {kind: [_reached(run.accuracies, size) for run in runs[kind]] for kind in KINDS}
    values = {
        REVERSED: _ratio(needed["forwards"], needed["backwards"]),
        ATTENTION: _ratio(needed["forwards"], needed["attention"]),
        BEAM: [run.gain for run in runs["forwards"]],
    }
    curves = [_curve(kind, runs[kind], fmean(needed[kind]), size) for kind in KINDS]
    return Measurement(values, [Panel("update", "copied sequences (%)", curves)])


@dataclass(frozen=True)
class _Run:
    accuracies: list[float]
    gain: float


def _learn(kind: str, seed: int, size: Size, track: Track) -> _Run:
    torch.manual_seed(seed)
    model, accuracies, gain = net(kind), list[float](), 0.0
    optimizer = torch.optim.Adam(model.parameters(), size.rate)
    for step in track(range(size.updates), f"copy, {kind}, seed {seed}"):
        # What follows would only take time.
        if accuracies and accuracies[-1] >= size.enough:
            break
        source, target = draw(seed, "train", step, 32, size.length)
        logits = model(source, teacher_forced(target, BEGIN))
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % size.every == 0:
            accuracies.append(_accuracy(model, seed, size))
        if step + 1 == min(_COMPARED_AT, size.updates):
            gain = _gain(model, seed, size)
    return _Run(accuracies, gain)


def _search(model: EncoderDecoder, source: Tensor, width: int) -> Hypotheses:
    with torch.no_grad():
        state = model.encode(source)
    limit = source.shape[1] + 2
    return beam_search(model.step, state, begin=BEGIN, end=END, limit=limit, width=width)


def _accuracy(model: EncoderDecoder, seed: int, size: Size) -> float:
    """Percent of held-out sequences that greedy decoding copies."""
    source, _ = draw(seed, "valid", 0, 200, size.length)
    found = _search(model, source, 1)
    whole = (found.symbols[:, 0, : size.length] == source).all(1)
    return 100 * float((whole & (found.lengths[:, 0] == size.length)).float().mean())


def _gain(model: EncoderDecoder, seed: int, size: Size) -> float:
    """By how much a beam finds likelier sequences, before the net is sure of itself."""
    source, _ = draw(seed, "valid", 0, 50, size.length)
    wide, narrow = _search(model, source, 5), _search(model, source, 1)
    return float((wide.scores[:, 0] - narrow.scores[:, 0]).mean())


def _reached(accuracies: Sequence[float], size: Size) -> float:
    """The first update with enough; one that never came counts as the next one."""
    missed = accuracies[-1] < size.enough
    return float(size.every * (len(accuracies) + missed))


def _curve(kind: str, runs: Sequence[_Run], needed: float, size: Size) -> Curve:
    """As far as the seed that was the last to learn it; the others stay where they ended."""
    longest = max(len(run.accuracies) for run in runs)
    drawn = [
        [*run.accuracies, *[run.accuracies[-1]] * (longest - len(run.accuracies))] for run in runs
    ]
    updates = [size.every * (place + 1) for place in range(longest)]
    return Curve(f"{kind}: {needed:.0f} updates", updates, drawn)


def _ratio(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(slow, fast, strict=True)]
