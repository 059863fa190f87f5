"""Arrow pointing, in the experiment on pLSTM: train on small grids, test on larger ones.

The symbolic task (`SymbolicArrowsTask`) on 8 × 8 cells, tested there and on up to 16 × 16. One
layer in P-mode and one in D-mode (D = 24, 6 heads) against a vision transformer of four layers,
as wide, both read out at the corners and, unlike the paper's, without position embeddings: they
would tell a layer on so few cells most of the geometry. Batches of 32, AdamW 3e-3, one cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.graph.plstm_vision import PLSTMVision, PLSTMVisionConfig
from ostinato.models.graph.vision_transformer import VisionTransformer
from ostinato.tasks.symbolic_arrows import SymbolicArrowsTask

SAME = Claim(
    "arrows, pLSTM: accuracy on 8 × 8 cells, as trained (%)", "97.2 ± 0.3", at_least=92
)  # fmt: skip
LARGER = Claim("arrows, pLSTM: accuracy on 16 × 16 cells (%)", "77.8 ± 3.1", at_least=75)
AHEAD = Claim(
    "arrows on 16 × 16 cells: pLSTM − vision transformer (points)",
    "7.1 (77.8 − 70.7, with position embeddings)",
    at_least=15,
)
CLAIMS = (SAME, LARGER, AHEAD)

SIDES = (8, 12, 16)


@dataclass(frozen=True)
class Size:
    """How long it trains.

    Attributes:
        updates: optimizer steps of pLSTM.
        control_updates: those of transformers.
        positions: also train both with position embeddings; for the picture only.
        held_out: pictures per side that accuracies are measured on.
    """

    updates: int
    control_updates: int
    positions: bool = False
    held_out: int = 1000


def plstm(positions: bool) -> nn.Module:
    """The pLSTM of this experiment."""
    # Single cells go from block to block: on few cells the fastest of equal forms on a CPU.
    return PLSTMVision(
        PLSTMVisionConfig(
            channels=4,
            classes=2,
            image=(SIDES[0], SIDES[0]),
            positions=positions,
            patch=1,
            width=24,
            heads=6,
            modes="PD",
            block=(1, 1),
        )
    )


def transformer(positions: bool) -> nn.Module:
    """The vision transformer that it is compared with."""
    grid = (SIDES[0], SIDES[0]) if positions else None
    return VisionTransformer(4, 2, 24, 4, 6, patch=1, positions=grid, readout="corners")


_NETS: dict[str, Callable[[bool], nn.Module]] = {"pLSTM": plstm, "ViT": transformer}


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every net with the seeds 0 … seeds−1."""
    scores, losses = dict[str, list[list[float]]](), dict[str, list[list[float]]]()
    for positions in (False, True) if size.positions else (False,):
        for kind, build in _NETS.items():
            name = f"{kind}, positions" if positions else kind
            for seed in range(seeds):
                torch.manual_seed(seed)
                net = build(positions)
                count = size.updates if kind == "pLSTM" else size.control_updates
                run = fit(net, seed, track(range(count), f"arrows, {name}, seed {seed}"), count)
                losses.setdefault(name, []).append(run)
                found = [accuracy(net, side, seed, size.held_out) for side in SIDES]
                scores.setdefault(name, []).append(found)
    ours, theirs = scores["pLSTM"], scores["ViT"]
    values: dict[Claim, Sequence[float]] = {
        SAME: [run[0] for run in ours],
        LARGER: [run[-1] for run in ours],
        AHEAD: [a[-1] - b[-1] for a, b in zip(ours, theirs, strict=True)],
    }
    curves = [Curve(name, SIDES, runs) for name, runs in scores.items()]
    panel = Panel("cells along a side (trained on 8)", "arrows: accuracy (%)", curves)
    return Measurement(values, [panel, _loss_panel(losses)])


def fit(
    net: nn.Module, seed: int, steps: Iterable[int], count: int, rate: float = 3e-3
) -> list[float]:
    """Train on 8 × 8 cells; the loss of every step.

    Args:
        net: what is trained.
        seed: of the pictures.
        steps: 0, 1, …, count − 1.
        count: how many.
        rate: the peak of the learning rate.
    """
    task = SymbolicArrowsTask(SIDES[0], seed)
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=count + 1)
    losses = []
    for step in steps:
        batch = task.batch(step, 32)
        loss = task.loss(net(batch.inputs), batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(net: nn.Module, side: int, seed: int, count: int) -> float:
    """Percent right of held-out pictures with `side` cells along each side."""
    task = SymbolicArrowsTask(side, seed, count)
    pairs = [task.score(net(batch.inputs), batch) for batch in task.held_out("valid", 50)]
    return 100 * sum(right for right, _ in pairs) / count


def _loss_panel(losses: dict[str, list[list[float]]]) -> Panel:
    curves = []
    for name, runs in losses.items():
        every = max(1, len(runs[0]) // 25)
        starts = range(0, len(runs[0]) - every + 1, every)
        means = [[sum(run[k : k + every]) / every for k in starts] for run in runs]
        curves.append(Curve(name, [k + every / 2 for k in starts], means))
    return Panel("update", "arrows: loss (nats)", curves)
