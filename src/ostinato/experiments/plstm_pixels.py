"""Arrow pointing from pixels, in the experiment on pLSTM, with the paper's sizes: for a device.

Pictures of 192 × 192 pixels (`ArrowPointingTask`), tested there and on 384 × 384. pLSTM-Vis of size
T against a vision transformer as wide and as deep, both on patches of 16 and with position
embeddings. 100,000 pictures, 50 epochs in batches of 128, AdamW with weight decay 0.05, the
gradient clipped to a norm of 1, one epoch of rising and then a cosine down to a thousandth.
Deviation: of the paper's three learning rates the middle one, for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.graph.plstm_vision import PLSTMVision, PLSTMVisionConfig
from ostinato.models.graph.vision_transformer import VisionTransformer
from ostinato.models.weight_decay import parameter_groups
from ostinato.tasks.arrow_pointing import ArrowPointingTask

SAME = Claim(
    "pixels, pLSTM: accuracy on pictures as trained (%)", "97.2 ± 0.3", at_least=95, scale="paper"
)
LARGER = Claim(
    "pixels, pLSTM: accuracy on pictures twice as large (%)",
    "77.8 ± 3.1",
    at_least=70,
    scale="paper",
)
AHEAD = Claim(
    "pixels, twice as large: pLSTM − vision transformer (points)",
    "7.1 (77.8 − 70.7)",
    at_least=2,
    every_seed=False,
    scale="paper",
)
CLAIMS = (SAME, LARGER, AHEAD)


@dataclass(frozen=True)
class Size:
    """How large pictures and models are, and how long they train.

    Attributes:
        side: pixels along each side; the larger pictures have twice as many.
        shapes: `ArrowPointingTask.scale`.
        images: different pictures in training.
        epochs: how often each is seen.
        batch: pictures at a time.
        width: D.
        heads: of all layers.
        modes: of the layers of pLSTM; the transformer has as many.
        rate: peak of the learning rate.
        held_out: pictures that accuracies are measured on.
    """

    side: int = 192
    shapes: float = 1.0
    images: int = 100_000
    epochs: int = 50
    batch: int = 128
    width: int = 192
    heads: int = 3
    modes: str = "PD" * 6
    rate: float = 3e-4
    held_out: int = 5000

    @property
    def epoch(self) -> int:
        """Updates in an epoch."""
        return self.images // self.batch


def plstm(size: Size) -> nn.Module:
    """The pLSTM of this experiment."""
    image = (size.side, size.side)
    return PLSTMVision(
        PLSTMVisionConfig(1, 2, image, width=size.width, heads=size.heads, modes=size.modes)
    )


def transformer(size: Size) -> nn.Module:
    """The vision transformer that it is compared with."""
    grid = (size.side // 16, size.side // 16)
    return VisionTransformer(1, 2, size.width, len(size.modes), size.heads, positions=grid)


_NETS: dict[str, Callable[[Size], nn.Module]] = {"pLSTM": plstm, "ViT": transformer}


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both nets with the seeds 0 … seeds−1, on a device if there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sides = (size.side, 2 * size.side)
    scores: dict[str, list[list[float]]] = {kind: [] for kind in _NETS}
    for kind, build in _NETS.items():
        for seed in range(seeds):
            torch.manual_seed(seed)
            net = build(size).to(device)
            steps = range(size.epochs * size.epoch)
            fit(net, seed, track(steps, f"pixels, {kind}, seed {seed}"), size)
            scores[kind].append([accuracy(net, side, seed, size) for side in sides])
    ours, theirs = scores.values()
    values: dict[Claim, Sequence[float]] = {
        SAME: [same for same, _ in ours],
        LARGER: [larger for _, larger in ours],
        AHEAD: [a - b for (_, a), (_, b) in zip(ours, theirs, strict=True)],
    }
    curves = [Curve(kind, sides, runs) for kind, runs in scores.items()]
    label = f"pixels along a side (trained on {size.side})"
    return Measurement(values, [Panel(label, "pixels: accuracy (%)", curves)])


def fit(net: nn.Module, seed: int, steps: Iterable[int], size: Size) -> None:
    """Train on pictures of the smaller side, the same ones in every epoch.

    Args:
        net: what is trained.
        seed: of the pictures.
        steps: 0, 1, …
        size: of it all.
    """
    task, device = _task(size.side, seed, size), next(net.parameters()).device
    optimizer = torch.optim.AdamW(parameter_groups(net), size.rate, weight_decay=0.05)
    share = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, size))
    for step in steps:
        batch = task.batch(step % size.epoch, size.batch).to(device)
        loss = task.loss(net(batch.inputs), batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        share.step()


@torch.no_grad()
def accuracy(net: nn.Module, side: int, seed: int, size: Size) -> float:
    """Percent right of held-out pictures with `side` pixels along each side."""
    task, device = _task(side, seed, size), next(net.parameters()).device
    batches = (batch.to(device) for batch in task.held_out("valid", 50))
    pairs = [task.score(net(batch.inputs), batch) for batch in batches]
    return 100 * sum(right for right, _ in pairs) / sum(count for _, count in pairs)


def _task(side: int, seed: int, size: Size) -> ArrowPointingTask:
    return ArrowPointingTask(side, size.shapes, "image", seed, size.held_out)


def _share(step: int, size: Size) -> float:
    """Of the peak of the learning rate."""
    if step < size.epoch:
        return (step + 1) / size.epoch
    passed = (step - size.epoch) / max(1, (size.epochs - 1) * size.epoch)
    return 1e-3 + (1 - 1e-3) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, passed)))
