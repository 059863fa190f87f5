"""Neural GPUs on binary multiplication, in the experiment on gradient noise: section 4.5.

A Neural GPU learns to multiply numbers of up to a few binary digits, Adam with the gradient
clipped to a norm of 1. The paper trains 7,290 of them on numbers of up to 20 digits and counts how
many of all generalise: of those, noise doubles the number. Here there are a few seeds, and it is
the share of wrong digits that is compared, on the longest numbers of the training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.neural_gpu import NeuralGPU
from ostinato.tasks.binary_arithmetic import BinaryArithmeticTask
from ostinato.train.gradient_noise import GradientNoise
from ostinato.train.transforms import Chain, ClipNorm

FEWER = Claim(
    "Neural GPU, multiplication: wrong digits without − with noise (points)",
    "twice the runs below 1 % (58 against 28 of 7,290)",
    at_least=0,
    every_seed=False,
)
CLAIMS = (FEWER,)

ETA, CLIP, BATCH = 1e-4, 1.0, 32
_POINTS = 12


@dataclass(frozen=True)
class Size:
    """How long it trains, and on what.

    Attributes:
        updates: optimizer steps.
        digits: of the numbers, at most.
        maps: of the image.
    """

    updates: int
    digits: int = 4
    maps: int = 16


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train a net without and with noise for each of the seeds 0 … seeds−1."""
    wrong: dict[float, list[list[float]]] = {0.0: [], ETA: []}
    for eta, runs in wrong.items():
        for seed in range(seeds):
            text = f"Neural GPU, η = {eta:g}, seed {seed}"
            runs.append(train(size, eta, seed, track, text))
    every = max(1, size.updates // _POINTS)
    updates = [every * (k + 1) for k in range(len(wrong[0.0][0]))]
    curves = [Curve(f"η = {eta:g}", updates, runs) for eta, runs in wrong.items()]
    values = [a[-1] - b[-1] for a, b in zip(wrong[0.0], wrong[ETA], strict=True)]
    panel = Panel("update", "multiplication: wrong digits (%)", curves)
    return Measurement({FEWER: values}, [panel])


def train(size: Size, eta: float, seed: int, track: Track, text: str) -> list[float]:
    """Train one net; the wrong digits in percent at 12 points of the training."""
    torch.manual_seed(seed)
    task = BinaryArithmeticTask("multiply", size.digits, seed=seed, held_out_sequences=250)
    net = NeuralGPU(task.inputs.count, task.outputs.count, size.maps)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3, eps=1e-4)
    chain = Chain([ClipNorm(CLIP), GradientNoise(eta, seed=seed)])
    wrong = []
    for step in track(range(size.updates), text):
        batch = task.batch(step, BATCH)
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(net(batch.inputs), batch))
        chain(net.parameters())
        optimizer.step()
        if (step + 1) % max(1, size.updates // _POINTS) == 0:
            wrong.append(_wrong(net, task))
    return wrong


@torch.no_grad()
def _wrong(net: NeuralGPU, task: BinaryArithmeticTask) -> float:
    """Percent of the digits of held-out products."""
    pairs = [task.score(net(batch.inputs), batch) for batch in task.held_out("valid", 250)]
    right, count = (float(sum(column)) for column in zip(*pairs, strict=True))
    return 100 * (1 - right / count)
