"""Word problems of groups: how many updates a step track which permutations, and how far.

One layer reads elements of a group and says at every step what their product is. Two reflections
make a rotation, so two updates track S3, and S4 and A5 too, the rotations of the cube and of the
icosahedron; S5 takes four. One update fails on all of them, and so does any number of them if no
eigenvalue is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ostinato.experiments.deltaproduct_nets import Shape, Training, trained
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
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
_WORDS = 200  # that accuracy is measured on
CLAIMS = (SOLVED, LONGER, ONE, POSITIVE)


@dataclass(frozen=True)
class Size:
    """Which groups, and how nets learn.

    Attributes:
        groups: by name, with the updates a step that are enough for them.
        steps: length of the words in training.
        training: of every net.
    """

    groups: Mapping[str, int]
    steps: int
    training: Training


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train with enough updates, with one, and without negative eigenvalues."""
    lengths = [size.steps, 2 * size.steps, 4 * size.steps, 16 * size.steps]
    runs: dict[Claim, list[list[list[float]]]] = {SOLVED: [], ONE: [], POSITIVE: []}
    curves = []
    for group, enough in size.groups.items():
        shapes = {SOLVED: Shape(enough), ONE: Shape(1), POSITIVE: Shape(enough, negative=False)}
        for claim, shape in shapes.items():
            found = [_run(size, group, shape, seed, lengths, track) for seed in range(seeds)]
            runs[claim].append(found)
            curves.append(Curve(f"{group}, {shape}", lengths, found))
    values = {
        SOLVED: _over_groups(min, runs[SOLVED], 0),
        LONGER: _over_groups(min, runs[SOLVED], 2),
        ONE: _over_groups(max, runs[ONE], 0),
        POSITIVE: _over_groups(max, runs[POSITIVE], 0),
    }
    return Measurement(values, [Panel("steps", "words, accuracy (%)", curves)])


def _run(
    size: Size, group: str, shape: Shape, seed: int, lengths: Sequence[int], track: Track
) -> list[float]:
    """Train one net; its accuracy at every length, in percent."""
    task = WordProblemTask(group, size.steps, seed=seed)
    net, _ = trained(task, shape, size.training, seed, track, group)
    longer = [WordProblemTask(group, size.steps, steps, seed, _WORDS) for steps in lengths]
    return [100 * evaluate(net, each, batch_size=100) for each in longer]


def _over_groups(
    choose: Callable[[Iterable[float]], float], runs: Sequence[Sequence[Sequence[float]]], at: int
) -> list[float]:
    """The least or greatest accuracy of all groups at one length, by seed."""
    return [choose(found[at] for found in seeds) for seeds in zip(*runs, strict=True)]
