"""Captions of scenes: a small convolutional net, whose features condition an LSTM.

Two coloured shapes and how they lie, 162 sentences; trained together, decoded with a beam of 3.
An answer counts if all its words are right; BLEU-4 counts the words that agree up to four in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.lstm import LSTMCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.rnn_survey_training import every, fit
from ostinato.models.time.beam_search import beam_search
from ostinato.models.time.captioning import ConditionedDecoder
from ostinato.models.time.encoder_decoder import teacher_forced
from ostinato.over.time import RNN
from ostinato.tasks.bleu import bleu
from ostinato.tasks.seeds import generator_at
from ostinato.tasks.shape_captions import BEGIN, END, LENGTH, WORDS, draw_scenes, sentence

MATCH = Claim("captions of scenes: sentences without an error (%)", "no such measure", at_least=90)
BLEU = Claim("the same: BLEU-4 (%)", "27.7 on COCO", at_least=90)
CLAIMS = (MATCH, BLEU)


@dataclass(frozen=True)
class Size:
    """How long it trains, and how the features come in."""

    updates: int
    inject: str = "first_input"


class Captioner(nn.Module):
    """Features of an image by two convolutions, and a decoder conditioned on them.

    Args:
        inject: how; see `ConditionedDecoder`.
        features: how many.
    """

    def __init__(self, inject: str = "first_input", features: int = 64) -> None:
        super().__init__()
        self.see = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, features),
            # What an untrained net sees differs too little from image to image to be noticed.
            nn.LayerNorm(features),
        )
        embedding, layer = nn.Embedding(len(WORDS), 32), RNN(LSTMCell(32, 48))
        self.say = ConditionedDecoder(features, embedding, layer, len(WORDS), inject)

    def forward(self, images: Tensor, captions: Tensor) -> Tensor:
        """The loss in nats per word: images (B, 3, 16, 16), captions (B, U)."""
        logits = self.say(self.see(images), teacher_forced(captions, BEGIN))
        return F.cross_entropy(logits.flatten(0, 1), captions.flatten())

    @torch.no_grad()
    def caption(self, images: Tensor, width: int = 3) -> Tensor:
        """The likeliest words (B, LENGTH) of a beam."""
        start = self.say.start(self.see(images))
        found = beam_search(self.say.step, start, begin=BEGIN, end=END, limit=LENGTH, width=width)
        return found.symbols[:, 0]


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train with the seeds 0 … seeds−1, and caption scenes that were held out."""
    matches, scores, runs, updates = list[float](), list[float](), [], range(0)
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = Captioner(size.inject)

        def loss_at(step: int, model: Captioner = model, seed: int = seed) -> Tensor:
            loss: Tensor = model(*draw_scenes(generator_at(seed, "train", step), 32))
            return loss

        shown = track(range(size.updates), f"captions, seed {seed}")
        updates, run = every(fit(model, loss_at, shown, size.updates, 3e-3))
        images, captions = draw_scenes(generator_at(seed, "valid"), 500)
        found = model.caption(images)
        matches.append(100 * float((found == captions).all(1).float().mean()))
        candidates, references = ([sentence(row).split() for row in s] for s in (found, captions))
        scores.append(100 * bleu(candidates, [[reference] for reference in references]))
        runs.append(run)
    curve = Curve(f"features as {size.inject}", updates, runs)
    panel = Panel("update", "caption loss (nats per word)", [curve])
    return Measurement({MATCH: matches, BLEU: scores}, [panel])
