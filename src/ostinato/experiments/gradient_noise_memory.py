"""Memory networks on bAbI, in the experiment on gradient noise: section 4.2 of the paper.

Stories of one and of two supporting facts together, 900 questions of each to train on, 1,000 to
test; the questions are generated, or with `data` those of the paper's own files. Trained as
memory networks are: three hops of width 20, SGD in batches of 32, the gradient summed over the
batch and clipped at 40, the rate halved every 25 epochs; once in one stage and once in two, of
which the first leaves out the softmax as long as the validation loss falls, for a
quarter of the training at most ("linear start").

The paper trains on all 20 tasks for longer; its η is 0.01, 0.3 or 1, here it is the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.memory_network import MemoryNetwork
from ostinato.tasks.babi import BabiTask
from ostinato.train.gradient_noise import GradientNoise
from ostinato.train.transforms import Chain, ClipNorm

ONE_STAGE = Claim(
    "memory network, one stage: test error without − with noise (points)",
    "2.9 (19.5 − 16.6, validation)",
    at_least=0,
    every_seed=False,
)
TWO_STAGES = Claim(
    "memory network, linear start: test error without − with noise (points)",
    "0.1 (10.9 − 10.8, validation)",
    at_least=-1,
    every_seed=False,
)
CLAIMS = (ONE_STAGE, TWO_STAGES)

BATCH, CLIP, ETA = 32, 40.0, 1.0
_POINTS = 12


@dataclass(frozen=True)
class Size:
    """How long it trains, and on what.

    Attributes:
        epochs: passes over the training questions.
        kinds: of stories, learned together.
        memories: sentences that a network sees.
        data: the folder or archive of the bAbI tasks; None: generated stories.
    """

    epochs: int
    kinds: tuple[int, ...] = (1, 2)
    memories: int = 30
    data: str | None = None


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train a network for each of the stages and noises with the seeds 0 … seeds−1."""
    errors: dict[tuple[str, float], list[list[float]]] = {}
    task = BabiTask(size.data, size.kinds)
    for stages, linear in (("one stage", False), ("linear start", True)):
        for eta in (0.0, ETA):
            runs = errors[stages, eta] = []
            for seed in range(seeds):
                text = f"memory network, {stages}, η = {eta:g}, seed {seed}"
                runs.append(train(task, size, linear, eta, seed, track, text))
    values = {
        claim: [a[-1] - b[-1] for a, b in zip(errors[key, 0.0], errors[key, ETA], strict=True)]
        for claim, key in ((ONE_STAGE, "one stage"), (TWO_STAGES, "linear start"))
    }
    return Measurement(values, [_panel(errors, size)])


def train(
    task: BabiTask, size: Size, linear: bool, eta: float, seed: int, track: Track, text: str
) -> list[float]:
    """Train one network; the test error in percent at 12 points of the training.

    Args:
        task: the questions.
        size: how long.
        linear: begin without the softmax.
        eta: variance of the noise.
        seed: of the weights, the noise and the order of the questions.
        track: shows the progress.
        text: what it shows.
    """
    torch.manual_seed(seed)
    net = MemoryNetwork(task.inputs.count, task.outputs.count, task.stops, memories=size.memories)
    net.linear(linear)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    cycle = torch.optim.lr_scheduler.StepLR(optimizer, 25, 0.5)
    chain = Chain([ClipNorm(CLIP), GradientNoise(eta, seed=seed)])
    steps = task.describe()["train_questions"] // BATCH
    lowest, errors = math.inf, list[float]()
    for epoch in track(range(size.epochs), text):
        # Each seed reads on where the one before it stopped: the same questions in other orders.
        for step in range(steps):
            batch = task.batch((seed * size.epochs + epoch) * steps + step, BATCH)
            loss = BATCH * task.loss(net(batch.inputs, batch.lengths), batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            chain(net.parameters())
            optimizer.step()
        cycle.step()
        valid = evaluate(net, task, "valid")[0]
        net.linear(net.hop.linear and valid < lowest and 4 * (epoch + 1) < size.epochs)
        lowest = valid
        if (epoch + 1) % max(1, size.epochs // _POINTS) == 0:
            errors.append(evaluate(net, task, "test")[1])
    return errors


@torch.no_grad()
def evaluate(net: MemoryNetwork, task: BabiTask, split: str) -> tuple[float, float]:
    """Mean loss in nats and error in percent of a held-out split."""
    batches = list(task.held_out(split, 500))
    outputs = [net(batch.inputs, batch.lengths) for batch in batches]
    count = sum(batch.size for batch in batches)
    pairs = list(zip(outputs, batches, strict=True))
    loss = sum(float(task.loss(o, batch)) * batch.size for o, batch in pairs) / count
    right = sum(task.score(o, batch)[0] for o, batch in pairs)
    return loss, 100 * (1 - right / count)


def _panel(errors: Mapping[tuple[str, float], Sequence[Sequence[float]]], size: Size) -> Panel:
    every = max(1, size.epochs // _POINTS)
    curves = []
    for (stages, eta), runs in errors.items():
        epochs = [every * (k + 1) for k in range(len(runs[0]))]
        curves.append(Curve(f"{stages}, η = {eta:g}", epochs, runs))
    return Panel("epoch", "memory network: test error (%)", curves)
