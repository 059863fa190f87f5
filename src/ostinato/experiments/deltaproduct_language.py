"""Language models asked beyond the length of training: more updates a step hold out longer.

Source code of the standard library, or a text of one's own, by characters. Every window of training
begins with an empty state, so that no net has seen what a state is after more steps; then windows
eight times as long are read. The paper's models keep their distance, DeltaNet (n = 1) does not, and
the effective rank of its states goes on growing. As in the paper heads are fewer where updates are
more, so that nets are equally large. They have no gates, which forget by themselves; one more model
has, Gated DeltaProduct, whose rank is to stay bounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.analysis.effective_rank import effective_rank
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.fit import fit
from ostinato.models.time.delta_product import DeltaProduct, DeltaProductBlock
from ostinato.models.time.delta_product_layer import DeltaProductConfig
from ostinato.tasks.text import TextTask

FLAT = Claim(
    "text, n = 2: bits per character from 4 to 8 times the length of training − at its end",
    "n = 2 much flatter than n = 1, n = 3 nearly flat",
    at_most=0.1,
    every_seed=False,
)
FLATTER = Claim(
    "text: that difference, n = 2 − n = 1 (DeltaNet)", "below 0", at_most=0, every_seed=False
)
RANK = Claim(
    "text: effective rank at 8 times the length over that at its end, n = 2 − n = 1",
    "below 0: it goes on growing for n = 1",
    at_most=0,
    every_seed=False,
)
GATED_RANK = Claim(
    "text, n = 2 with a gate: effective rank at 8 times the length over that at its end",
    "bounded",
    at_most=1.1,
)
GATED_LESS = Claim(
    "text: that ratio, n = 2 with a gate − n = 1 without",
    "below 0: it goes on growing for n = 1",
    at_most=0,
    every_seed=False,
)
CLAIMS = (FLAT, FLATTER, RANK, GATED_RANK, GATED_LESS)

LONGER = 8


@dataclass(frozen=True)
class Recurrence:
    """What the layers of a model do to their states.

    Attributes:
        updates: a step.
        gated: whether states decay as well.
    """

    updates: int
    gated: bool = False

    def __str__(self) -> str:
        return f"n = {self.updates}{', gated' if self.gated else ''}"


ONE, TWO, GATED = Recurrence(1), Recurrence(2), Recurrence(2, gated=True)


@dataclass(frozen=True)
class Size:
    """How large the models are, and how long they train.

    Attributes:
        heads: by updates a step, 1 and 2 among them.
        width: D.
        layers: how many.
        steps: the length of training windows.
        updates: optimizer steps.
        batch: windows at a time.
        rate: peak of the learning rate.
        rows: windows, eight times as long, that are read afterwards.
    """

    heads: Mapping[int, int]
    width: int
    layers: int
    steps: int
    updates: int
    batch: int = 16
    rate: float = 3e-3
    rows: int = 24


class SeparateWindows(TextTask):
    """A text whose windows begin with an empty state."""

    continues = False


def measure(size: Size, seeds: int, track: Track, data: str | None = None) -> Measurement:
    """Train with every number of updates, and with a gate, on the seeds 0 … seeds−1.

    Args:
        size: of the models and their training.
        seeds: how many.
        track: shows the progress.
        data: a text file or folder of the user's; None: the standard library.
    """
    task = SeparateWindows(data, window=size.steps)
    kinds = (*map(Recurrence, size.heads), GATED)
    bits: dict[Recurrence, list[list[float]]] = {kind: [] for kind in kinds}
    ranks: dict[Recurrence, list[list[float]]] = {kind: [] for kind in kinds}
    held_out = _windows(task, size)
    for kind in kinds:
        for seed in range(seeds):
            net = _trained(size, task, kind, seed, track)
            bits[kind].append(_in_parts(_bits(net, held_out), LONGER))
            ranks[kind].append(_ranks(net, held_out[:4, :-1], size.steps))
    rise = {kind: [fmean(run[LONGER // 2 :]) - run[0] for run in bits[kind]] for kind in kinds}
    growth = {kind: [run[-1] / run[0] for run in ranks[kind]] for kind in kinds}
    values: dict[Claim, Sequence[float]] = {
        FLAT: rise[TWO],
        FLATTER: _less(rise[TWO], rise[ONE]),
        RANK: _less(growth[TWO], growth[ONE]),
        GATED_RANK: growth[GATED],
        GATED_LESS: _less(growth[GATED], growth[ONE]),
    }
    ends = [size.steps * (k + 1) for k in range(LONGER)]
    return Measurement(
        values,
        [
            Panel("step", "text, bits per character", _curves(ends, bits)),
            Panel("step", "effective rank of the states", _curves(ends, ranks)),
        ],
    )


def _less(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _curves(ends: Sequence[int], runs: Mapping[Recurrence, list[list[float]]]) -> list[Curve]:
    return [Curve(str(kind), ends, found) for kind, found in runs.items()]


def _trained(size: Size, task: TextTask, kind: Recurrence, seed: int, track: Track) -> DeltaProduct:
    torch.manual_seed(seed)
    config = DeltaProductConfig(
        symbols=task.vocabulary.count,
        width=size.width,
        layers=size.layers,
        num_heads=size.heads[kind.updates],
        head_dim=16,
        num_householder=kind.updates,
        use_forget_gate=kind.gated,
        use_output_gate=False,
    )
    net = DeltaProduct(config, engine="chunk")
    steps = track(range(size.updates), f"text, {kind}, seed {seed}")
    fit(net, task, steps, size.updates, size.rate, size.batch)
    return net.eval()


def _windows(task: TextTask, size: Size) -> Tensor:
    """The first held-out text as rows of 8 times the length, and the symbol after each."""
    steps = LONGER * size.steps
    text = torch.from_numpy(task.vocabulary.encode(task.texts["valid"])).long()
    return text[: (len(text) - 1) // steps * steps + 1].unfold(0, steps + 1, steps)[: size.rows]


@torch.no_grad()
def _bits(net: DeltaProduct, windows: Tensor) -> Tensor:
    """Per character at every step, mean over the windows (T,)."""
    logits = net(windows[:, :-1])[0]
    return F.cross_entropy(logits.mT, windows[:, 1:], reduction="none").mean(0) / math.log(2)


def _in_parts(bits: Tensor, parts: int) -> list[float]:
    """The mean of the second half of each of equally long parts: there the past is long enough."""
    found: list[float] = bits.view(parts, 2, -1)[:, 1].mean(-1).tolist()
    return found


@torch.no_grad()
def _ranks(net: DeltaProduct, windows: Tensor, steps: int) -> list[float]:
    """The effective rank of the last layer's states after every `steps` steps."""
    (block,) = [each for each in net.modules() if isinstance(each, DeltaProductBlock)][-1:]
    seen = list[Tensor]()
    hook = block.norm.register_forward_hook(lambda module, read, out: seen.append(out))
    net(windows)
    hook.remove()
    found = effective_rank(block.layer.recurrence.cell, block.layer.read(seen[0]))
    ranks: list[float] = found.ranks.mean((0, 2))[steps - 1 :: steps].tolist()
    return ranks
