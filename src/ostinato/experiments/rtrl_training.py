"""What a net learns that does not see beyond its segment, and one that carries sensitivities on.

- Recall of a marked value (`marked_value`): the mark stands in the first 5 of 20 steps, the
  question in the last. The update comes at the end of each sequence, so nothing is stale. Adam
  as it comes, no clipping.
- Copying up to 4 bits, an update after every segment of 4 steps: bit k is asked for in the
  segment after the one that it was read in. Adam and clipping as the paper has them; it copies up
  to 500 bits with 2048 units.

Plain recall of a cue would show little: a gradient that never reaches the cue learns to read what
the net remembers by chance, and of a few bits that is nearly all, as the curves of copying show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.elstm import ELSTMCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.time import RNN
from ostinato.tasks.copy import CopyTask
from ostinato.tasks.marked_value import MarkedValueTask
from ostinato.tasks.task import Batch
from ostinato.train.rtrl.learner import RTRL

MARKED = Claim(
    "marked value, RTRL in segments of 5: accuracy (%)",
    "RTRL > TBPTT where the span is short",
    at_least=99,
)
FULL = Claim("marked value, full backpropagation: accuracy (%)", "as RTRL", at_least=99)
TRUNCATED = Claim(
    "marked value, truncated at 5 steps: accuracy (%)",
    "fails (select_nonmatching, M = 10: 54.5 vs. 61.8)",
    at_most=65,
)
COPY = Claim("copying online, RTRL: accuracy of recall (%)", "100", at_least=99)
CLAIMS = (MARKED, FULL, TRUNCATED, COPY)

_LAST = 50
_POINTS = 20


@dataclass(frozen=True)
class Size:
    """How long it trains, and on what.

    Attributes:
        marked_updates: sequences' batches of marked values.
        copy_updates: those of copying.
        copied: bits at most.
        copy_units: of the net that copies.
        spans: segments without sensitivities, for marked values.
    """

    marked_updates: int
    copy_updates: int
    copied: int
    copy_units: int
    spans: tuple[int, ...] = (5, 10, 20)


@dataclass
class Net:
    """An eLSTM, a linear read-out, and what trains both.

    Attributes:
        learner: runs the segments.
        head: the read-out.
        optimizer: of both.
        clip: bound of the gradient's norm.
    """

    learner: RTRL
    head: nn.Linear
    optimizer: torch.optim.Optimizer
    clip: float

    @classmethod
    def begin(
        cls,
        cell: ELSTMCell,
        classes: int,
        method: str,
        betas: tuple[float, float] = (0.9, 0.999),
        clip: float = math.inf,
    ) -> Net:
        """With Adam at a rate of 0.01."""
        head = nn.Linear(cell.hidden_size, classes)
        optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], 1e-2, betas)
        return cls(RTRL(RNN(cell), method), head, optimizer, clip)

    def update(self, loss: Tensor) -> None:
        """One step of the optimizer."""
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.clip)
        self.optimizer.step()


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train every net with the seeds 0 … seeds−1."""
    settings = [("exact", 5), *(("truncated", span) for span in size.spans)]
    marked = {
        setting: [_marked(*setting, size.marked_updates, seed, track) for seed in range(seeds)]
        for setting in settings
    }
    copied = {
        method: [_copied(method, size, seed, track) for seed in range(seeds)]
        for method in ("exact", "truncated")
    }
    return Measurement(
        {
            MARKED: _last(marked["exact", 5]),
            FULL: _last(marked["truncated", size.spans[-1]]),
            TRUNCATED: _last(marked["truncated", size.spans[0]]),
            COPY: _last(copied["exact"]),
        },
        [
            _panel("marked value", {_label(*s): runs for s, runs in marked.items()}),
            _panel("copying online", {_label(m, size.copied): r for m, r in copied.items()}),
        ],
    )


def _marked(method: str, span: int, updates: int, seed: int, track: Track) -> list[float]:
    """The accuracy in percent on every batch, before it is learned from."""
    torch.manual_seed(seed)
    cell = ELSTMCell(3, 16, output_gate=False)
    with torch.no_grad():
        cell.input.weight.normal_(std=0.3)
        cell.input.bias.normal_(std=0.3)[: cell.hidden_size] += 3
    net, task, found = Net.begin(cell, 2, method), MarkedValueTask(seed=seed), []
    for step in track(range(updates), f"marked value, {_label(method, span)}, seed {seed}"):
        batch, carried = task.batch(step, 32), None
        for begin in range(0, task.steps, span):
            y, carried = net.learner(batch.inputs[:, begin : begin + span], carried)
        outputs = net.head(y[:, -1])
        net.update(task.loss(outputs, batch))
        right, count = task.score(outputs, batch)
        found.append(100 * right / count)
    return found


def _copied(method: str, size: Size, seed: int, track: Track) -> list[float]:
    """The accuracy of recall in percent on every batch; updates after every segment."""
    torch.manual_seed(seed)
    cell = ELSTMCell(3, size.copy_units, forget_bias=1.0)
    net = Net.begin(cell, 3, method, (0.9, 0.995), 1.0)
    task = CopyTask(2, size.copied, 0, shortest=1, recall_only=True, seed=seed)
    found = []
    for step in track(range(size.copy_updates), f"copying, {method}, seed {seed}"):
        batch = task.batch(step, 32)
        outputs = torch.cat(list(_online(net, batch, size.copied)), 1)
        right, count = task.score(outputs, batch)
        found.append(100 * right / count)
    return found


def _online(net: Net, batch: Batch, segment: int) -> Sequence[Tensor]:
    """The outputs of every segment, after which the net is updated."""
    x, weights, carried, found = F.one_hot(batch.inputs, 3).float(), batch.weights, None, []
    assert weights is not None
    for begin in range(0, x.shape[1], segment):
        own = slice(begin, begin + segment)
        y, carried = net.learner(x[:, own], carried)
        outputs = net.head(y)
        found.append(outputs.detach())
        each = F.cross_entropy(outputs.mT, batch.targets[:, own], reduction="none")
        if weights[:, own].any():
            net.update((each * weights[:, own]).sum() / weights.sum())
    return found


def _label(method: str, span: int) -> str:
    return f"{'RTRL' if method == 'exact' else 'truncated'}, span {span}"


def _last(runs: Sequence[Sequence[float]]) -> list[float]:
    return [fmean(run[-_LAST:]) for run in runs]


def _panel(text: str, curves: dict[str, list[list[float]]]) -> Panel:
    """Means of equal parts of every run."""
    (_, (first, *_)), *_ = curves.items()
    part = max(1, len(first) // _POINTS)
    begins = range(0, len(first), part)
    return Panel(
        "update",
        f"{text}, accuracy (%)",
        [
            Curve(
                label,
                [begin + part / 2 for begin in begins],
                [[fmean(run[begin : begin + part]) for begin in begins] for run in runs],
            )
            for label, runs in curves.items()
        ],
    )
