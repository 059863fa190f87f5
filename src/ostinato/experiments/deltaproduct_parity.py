"""Parity: one reflection tracks it, and no transition with positive eigenvalues can.

One layer learns the parity of all bits so far at length 32, and is asked at that length and at up
to eight times it. All seeds come near to −1 on a bit of 1; how long what they learned holds lies
with a bit of 0, whose key has to be orthogonal to that of 1 for the state to stay as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ostinato.experiments.deltaproduct_nets import Shape, Training, trained
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.tasks.running_parity import RunningParityTask
from ostinato.train.evaluate import evaluate

LENGTHS = (32, 64, 128, 256)

SOLVED = Claim("parity, n = 1, [−1, 1]: accuracy at 32 steps (%)", "solved", at_least=99)
FAR = Claim(
    "parity, n = 1, [−1, 1]: accuracy at 256 steps (%)", "solved, 40 to 256 steps", at_least=95
)
POSITIVE = Claim("parity, n = 1, [0, 1]: accuracy at 32 steps (%)", "not solved", at_most=60)
CLAIMS = (SOLVED, FAR, POSITIVE)


@dataclass(frozen=True)
class Size:
    """How a net learns.

    Attributes:
        training: of every net.
    """

    training: Training


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train with and without negative eigenvalues, on the seeds 0 … seeds−1."""
    values: dict[Claim, Sequence[float]] = {}
    curves = []
    for claim, shape in ((SOLVED, Shape(1)), (POSITIVE, Shape(1, negative=False))):
        runs = []
        for seed in range(seeds):
            task = RunningParityTask(LENGTHS[0], seed=seed)
            net, _ = trained(task, shape, size.training, seed, track, "parity")
            longer = [RunningParityTask(LENGTHS[0], steps, seed) for steps in LENGTHS]
            runs.append([100 * evaluate(net, each, batch_size=250) for each in longer])
        values[claim] = [run[0] for run in runs]
        if claim is SOLVED:
            values[FAR] = [run[-1] for run in runs]
        curves.append(Curve(str(shape), LENGTHS, runs))
    return Measurement(values, [Panel("steps", "parity, accuracy at the last step (%)", curves)])
