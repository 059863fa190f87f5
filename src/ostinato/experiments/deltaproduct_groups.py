"""Word problems of groups: how many updates a step track which permutations, and how far.

One layer reads elements of a group and says at every step what their product is. Two reflections
make a rotation, so two updates track S3, and S4 and A5 too, the rotations of the cube and of the
icosahedron; so do Z60, turns of a plane, and A4xZ5, of which each factor takes heads of its own;
S5 takes four. One update fails on all of them, and so does any number of them if no
eigenvalue is negative.

In training words grow, or their elements: one is frequent at first, and with time all become so.
The paper's millions of words need neither. Without that a net is soon perfect on two elements, by
heart, and stays at chance on three; of few elements, words of twelve are worth tracking, and those
that become more frequent find a space in which they are turns.

A head that tracks S4 turns a space of three dimensions, so its keys lie there, and β is near 2:
where that is so in the nets that learned it, `key_subspace` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from ostinato.analysis.key_subspace import KeySubspace, key_subspace
from ostinato.experiments.deltaproduct_nets import Shape, Training, trained
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.models.time.delta_product import DeltaProductBlock, DeltaProductClassifier
from ostinato.tasks.seeds import generator_at
from ostinato.tasks.task import Batch
from ostinato.tasks.word_problem import WordProblemTask
from ostinato.train.evaluate import evaluate

SOLVED = Claim(
    "words, enough updates, [−1, 1]: least accuracy at training length (%)",
    "solved: S3, S4, A5 with n = 2, S5 with n = 4",
    at_least=99,
)
LONGER = Claim(
    "words, the same nets: least accuracy at 4 times that length (%)",
    "solved",
    at_least=95,
)
ONE = Claim(
    "words, n = 1, [−1, 1]: greatest accuracy at training length (%)",
    "not solved",
    at_most=60,
)
POSITIVE = Claim(
    "words, enough updates, [0, 1]: greatest accuracy at training length (%)",
    "not solved",
    at_most=60,
)
KEYS = Claim(
    "S4, n = 2: the keys of one head, share that lies in 3 dimensions (%)",
    "more than 95",
    at_least=95,
)
BETA = Claim("S4, n = 2: mean β of that head", "near 2", at_least=1.8, at_most=2)
EVEN = 0.85
"""The share of optimizer steps after which all elements are equally frequent."""
_WORDS = 200  # that accuracy is measured on
CLAIMS = (SOLVED, LONGER, ONE, POSITIVE, KEYS, BETA)


@dataclass(frozen=True)
class Words:
    """The words of a group.

    Attributes:
        enough: updates a step that track it.
        growth: the lengths of words in training, one after the other, with optimizer steps.
        skew: of frequencies at first, the k-th element having k^−skew of the first one's; it falls
            to 0 by `EVEN` of the steps, where all are as frequent.
    """

    enough: int
    growth: Mapping[int, int]
    skew: float = 0.0

    @property
    def steps(self) -> int:
        """The length that training ends with."""
        return max(self.growth)


@dataclass(frozen=True)
class Size:
    """Which groups, and how nets learn.

    Attributes:
        groups: by name, S4 among them.
        training: of every net; optimizer steps are those of the words.
    """

    groups: Mapping[str, Words]
    training: Training


class GradualWords(WordProblemTask):
    """Words that are short at first, and of few elements.

    Args:
        group: as for `WordProblemTask`.
        words: their lengths in training, and how uneven their elements are.
        seed: what all batches derive from, and which elements are frequent at first.
    """

    def __init__(self, group: str, words: Words, seed: int = 0) -> None:
        super().__init__(group, words.steps, seed=seed)
        self.lengths = [steps for steps, count in words.growth.items() for _ in range(count)]
        self.skew = words.skew
        self.ranked = torch.randperm(len(self.table), generator=generator_at(seed, "ranks"))

    def batch(self, step: int, batch_size: int) -> Batch:
        """The training batch of `step`, as long and as uneven as its turn says."""
        turn = min(step, len(self.lengths) - 1)
        skew = self.skew * max(0.0, 1 - turn / (EVEN * len(self.lengths)))
        shares = torch.arange(1, len(self.table) + 1).pow(-skew)
        count, generator = batch_size * self.lengths[turn], generator_at(self.seed, "train", step)
        drawn = torch.multinomial(shares, count, replacement=True, generator=generator)
        inputs = self.ranked[drawn].view(batch_size, -1)
        return Batch(inputs, self.answers(inputs))


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train with enough updates, with one, and without negative eigenvalues."""
    runs: dict[Claim, list[list[list[float]]]] = {SOLVED: [], ONE: [], POSITIVE: []}
    curves, keys = list[Curve](), list[KeySubspace]()
    for group, words in size.groups.items():
        enough = Shape(words.enough)
        lengths = [words.steps * times for times in (1, 2, 4, 16)]
        shapes = {SOLVED: enough, ONE: Shape(1), POSITIVE: replace(enough, negative=False)}
        for claim, shape in shapes.items():
            found = list[list[float]]()
            for seed in range(seeds):
                net = _net(size, group, shape, seed, track)
                found.append(_accuracies(net, group, seed, lengths))
                if group == "S4" and claim is SOLVED:
                    keys.append(_keys(net))
            runs[claim].append(found)
            curves.append(Curve(f"{group}, {shape}", lengths, found))
    best = [int(found.shares[:, 2].argmax()) for found in keys]
    values: dict[Claim, Sequence[float]] = {
        SOLVED: _over_groups(min, runs[SOLVED], 0),
        LONGER: _over_groups(min, runs[SOLVED], 2),
        ONE: _over_groups(max, runs[ONE], 0),
        POSITIVE: _over_groups(max, runs[POSITIVE], 0),
        KEYS: [100 * float(each.shares[head, 2]) for each, head in zip(keys, best, strict=True)],
        BETA: [float(each.beta[head]) for each, head in zip(keys, best, strict=True)],
    }
    return Measurement(values, [Panel("steps", "words, accuracy (%)", curves), _shares(keys)])


def _net(size: Size, group: str, shape: Shape, seed: int, track: Track) -> DeltaProductClassifier:
    task = GradualWords(group, size.groups[group], seed)
    training = replace(size.training, updates=len(task.lengths))
    return trained(task, shape, training, seed, track, group)[0]


def _accuracies(
    net: DeltaProductClassifier, group: str, seed: int, lengths: Sequence[int]
) -> list[float]:
    """At every length, in percent."""
    longer = [WordProblemTask(group, lengths[0], steps, seed, _WORDS) for steps in lengths]
    return [100 * evaluate(net, each, batch_size=100) for each in longer]


@torch.no_grad()
def _keys(net: DeltaProductClassifier) -> KeySubspace:
    """The keys of all elements."""
    (block,) = (each for each in net.modules() if isinstance(each, DeltaProductBlock))
    elements = torch.arange(net.config.symbols)[None]
    x = block.layer.read(block.norm(net.encoder(elements)))
    return key_subspace(block.layer.recurrence.cell, x)


def _shares(keys: Sequence[KeySubspace]) -> Panel:
    """The heads of each net, from the one whose keys lie closest together."""
    ordered = [each.shares[each.shares[:, 2].argsort(descending=True)] for each in keys]
    heads, dimensions = ordered[0].shape
    curves = [
        Curve(
            f"head {n + 1}",
            range(1, dimensions + 1),
            [(100 * each[n]).tolist() for each in ordered],
        )
        for n in range(heads)
    ]
    return Panel("dimensions", "S4, share of the keys (%)", curves)


def _over_groups(
    choose: Callable[[Iterable[float]], float], runs: Sequence[Sequence[Sequence[float]]], at: int
) -> list[float]:
    """The least or greatest accuracy of all groups at one length, by seed."""
    return [choose(found[at] for found in seeds) for seeds in zip(*runs, strict=True)]
