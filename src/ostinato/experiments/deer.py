"""Newton's method over a whole sequence: when it is fast, when it fails, and what damping saves.

Y. H. Lim, Q. Zhu, J. Selfridge, M. F. Kasim, "Parallelizing non-linear sequential models over the
sequence length", ICLR 2024, arXiv 2309.12252 (DEER); X. Gonzalez, A. Warrington, J. T. H. Smith,
S. W. Linderman, "Towards Scalable and Stable Parallelization of Nonlinear RNNs", NeurIPS 2024,
arXiv 2407.19115 (quasi-DEER, ELK).

Networks h = tanh(W h + x), W of N(0, g²/n), whose gain g takes them from forgetting to chaos
(`deer_networks`); a GRU that draws a sine by itself after training; GRUs timed on one core; and one
that learns to classify sequences of 4,096 steps, once by Newton's method and once step by step
(`deer_training`). Lorenz-96 (`deer_lorenz`), two bodies whose energy is learned (`deer_two_body`),
strided heads that read images (`deer_images`) and a deep stack of GRUs (`deer_stack`).

The papers measure speed on a GPU, against a loop that is slow there. Here it is one core, the loop
is eager torch, and generated code stands beside it. They train for days on a data set that is not
at hand; here it is minutes, on the task `which_process` and on images or, with `data`, on the
speakers of spoken digits and on MNIST pixel by pixel. The sine is drawn for 1,000 steps, where they
take 10,000: there none of the methods was done after 200 iterations.

The exponent does not tell everything: a net with g > 1 whose states end in a cycle may forget, by
its exponent, and take a hundred iterations all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import torch

from ostinato.analysis.lyapunov import lyapunov_exponents
from ostinato.cells.gru import GRUCell
from ostinato.engines.parallel.newton import Solve
from ostinato.engines.parallel.solves import newton
from ostinato.experiments import deer_images, deer_lorenz, deer_stack, deer_two_body
from ostinato.experiments.deer_networks import (
    Network,
    draw_sine,
    error_of_fallback,
    error_of_gradient,
    left_by_damping,
    needed,
    order_of_convergence,
    solve,
)
from ostinato.experiments.deer_training import accuracy, long_task, train, train_by_newton
from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel, Track
from ostinato.experiments.time_ratio import time_ratio
from ostinato.over.time import RNN
from ostinato.tasks.task import Symbols

__papers__ = ("deer",)

SAME = Claim("tanh net, g = 0.9: iterations at 4 T over those at T", "few, whatever T", at_most=1.5)
SPAN = Claim("tanh net: iterations at g = 1.5 over those at g = 0.5", "6 (derived)", at_least=3)
EXPONENT = Claim(
    "rank correlation of iterations and largest Lyapunov exponent",
    "grows with it (derived)",
    at_least=0.9,
)
CHAOS = Claim("g = 3: nets not solved in 100 iterations (%)", "fails (derived)", at_least=100)
FALLBACK = Claim("g = 3: error of what is returned instead", "none said", at_most=0)
ORDER = Claim("GRU, n = 5, T = 50: order of convergence", "2 (quadratic)", at_least=1.7)
GRADIENT = Claim(
    "states by the diagonal: relative error of the gradient",
    "0 in theory; the released code is biased",
    at_most=1e-10,
)
SPEED = Claim(
    "GRU, n = 2, T = 10,000: time of the loop over Newton's",
    "18 … 2029 on a GPU, n = 1",
    at_least=2,
)
FALL = Claim("the same ratio at n = 2 over that at n = 16", "falls as n³", at_least=3)
FUSED = Claim("GRU, n = 2: time of Newton over that of generated code", "none said", at_least=1)
DAMPED = Claim(
    "tanh net, n = 5, g = 1.1: residual after 4 iterations, ELK over Newton",
    "0.04 (derived, of the error)",
    at_most=0.5,
)
SINE = Claim(
    "GRU that draws a sine: iterations of Newton (T if unsolved) over those of ELK",
    "far more (figure only)",
    at_least=2,
)
CURVE = Claim(
    "training by Newton and step by step: largest difference of the losses (nats)",
    "same curve",
    at_most=0.05,
)
SOLVED = Claim("windows of training that Newton solved (%)", "all", at_least=90)
ACCURACY = Claim(
    "trained by Newton: test accuracy above chance (points)",
    "88 % of 5 classes (EigenWorms)",
    at_least=20,
)

GAINS = (0.5, 0.9, 1.2, 1.5, 2.0)
_SIZES = (2, 4, 8, 16)
# Name of a curve: method and damping.
_METHODS = {
    "Newton": ("full", 0.0),
    "quasi-Newton": ("quasi", 0.0),
    "ELK": ("full", 0.01),
    "quasi-ELK": ("quasi", 1.0),
}


@dataclass(frozen=True)
class Scale:
    """Sizes of the experiment.

    Attributes:
        steps: T of the tanh nets of 16 units.
        nets: of these, for each seed and gain; the median counts.
        small_nets: of 5 units, for damping; the geometric mean counts.
        timed_steps: T of the GRUs that are timed.
        repeats: pairs of timings.
        sine_updates: optimizer steps of the GRU that draws a sine.
        sine_steps: how far it draws.
        updates: optimizer steps of the classifier.
        hidden: its units.
        lorenz: of Lorenz-96.
        two_body: of the two bodies.
        images: of the strided heads.
        stack: of the deep classifier.
        data: folders: "audio" of spoken digits, None: `which_process`, and MNIST row by row for
            the deep classifier; "images" with MNIST's four files, None: the digits of scikit-learn.
    """

    steps: int = 512
    nets: int = 3
    small_nets: int = 8
    timed_steps: int = 10_000
    repeats: int = 3
    sine_updates: int = 600
    sine_steps: int = 1000
    updates: int = 60
    hidden: int = 4
    lorenz: deer_lorenz.Size = field(default_factory=deer_lorenz.Size)
    two_body: deer_two_body.Size = field(default_factory=deer_two_body.Size)
    images: deer_images.Size = field(default_factory=deer_images.Size)
    stack: deer_stack.Size = field(default_factory=deer_stack.Size)
    data: Mapping[str, str | None] = field(default_factory=lambda: {"audio": None, "images": None})

    def __post_init__(self) -> None:
        audio, images = self.data["audio"], self.data["images"]
        # Data that cannot be read are told before minutes of measuring, not after.
        if audio is not None:
            long_task(audio), deer_stack.real_task(audio)
        if images is not None:
            deer_images.image_task(images)


Values = Mapping[Claim, float]
"""What one seed measured."""
Part = Callable[[Scale], tuple[Values, Mapping[str, Sequence[float]]]]
"""Measures some claims from torch's random state, and curves by name."""


def measure(name: str, scale: Scale, seeds: int, track: Track) -> Measurement:
    """Measure a part of this file with the seeds 0 … seeds−1."""
    part, x_label, y_label, x = _PARTS[name]
    found = []
    for seed in track(range(seeds), y_label):
        torch.manual_seed(seed)
        found.append(part(scale))
    values = {claim: [run[claim] for run, _ in found] for claim in found[0][0]}
    curves = [Curve(each, x(scale), [run[each] for _, run in found]) for each in found[0][1]]
    return Measurement(values, [Panel(x_label, y_label, curves)])


def gains(scale: Scale) -> tuple[Values, Mapping[str, Sequence[float]]]:
    """Iterations by gain and exponent, where it is easy, hard and hopeless."""
    most, exponents, counts = scale.steps, list[float](), dict[float, list[int]]()
    others: dict[str, list[float]] = {"quasi-Newton": [], "Jacobi": []}
    for gain in GAINS:
        nets = [Network.draw(gain, 16, scale.steps) for _ in range(scale.nets)]
        exponents += [lyapunov_exponents(net.cell, net.x, count=1).largest for net in nets]
        counts[gain] = [_iterations(net, "full", most) for net in nets]
        for name, method in zip(others, ("quasi", "jacobi"), strict=True):
            others[name].append(_iterations(nets[0], method, most))
    long = [_iterations(Network.draw(0.9, 16, 4 * scale.steps), "full", most) for _ in nets]
    chaotic = [error_of_fallback(Network.draw(3.0, 16, scale.steps)) for _ in nets]
    middle = {gain: median(found) for gain, found in counts.items()}
    return {
        SAME: median(long) / middle[0.9],
        SPAN: middle[1.5] / middle[0.5],
        EXPONENT: rank_correlation(exponents, [n for gain in GAINS for n in counts[gain]]),
        CHAOS: 100 * sum(unsolved for unsolved, _ in chaotic) / len(chaotic),
        FALLBACK: max(error for _, error in chaotic),
        ORDER: order_of_convergence(),
        GRADIENT: error_of_gradient(),
        DAMPED: left_by_damping(scale.small_nets),
    }, {"Newton": list(middle.values()), **others}


def speed(scale: Scale) -> tuple[Values, Mapping[str, Sequence[float]]]:
    """A GRU by eager loop, by Newton's method and by generated code."""
    loop, generated = [], []
    for size in _SIZES:
        cell, x = GRUCell(size, size), torch.randn(1, scale.timed_steps, size)
        by_newton = _run(cell, x, "parallel")
        loop.append(time_ratio(_run(cell, x, "reference"), by_newton, scale.repeats))
        generated.append(time_ratio(_run(cell, x, "auto"), by_newton, scale.repeats))
    return {
        SPEED: loop[0],
        FALL: loop[0] / loop[-1],
        FUSED: 1 / generated[0],
    }, {"eager loop": loop, "generated code": generated}


def sine(scale: Scale) -> tuple[Values, Mapping[str, Sequence[float]]]:
    """A GRU that reads its own output, solved from its initial state over many periods."""
    cell, most = draw_sine(scale.sine_updates), scale.sine_steps
    x = torch.zeros(1, most, 1)
    solves = {
        name: solve(cell, x, method=method, damping=damping, tolerance=1e-4, iterations=most)
        for name, (method, damping) in _METHODS.items()
    }
    counts = {name: needed(found, most) for name, found in solves.items()}
    curves = {name: _followed(found, _marks(scale)) for name, found in solves.items()}
    return {SINE: counts["Newton"] / counts["ELK"]}, curves


def training(scale: Scale) -> tuple[Values, Mapping[str, Sequence[float]]]:
    """The same classifier from the same weights, trained both ways."""
    task = long_task(scale.data["audio"])
    assert isinstance(task.outputs, Symbols)
    with torch.random.fork_rng(devices=[]):
        _, step_by_step = train(task, scale.hidden, "auto", scale.updates)
    model, by_newton, solved = train_by_newton(task, scale.hidden, scale.updates)
    pairs = zip(step_by_step, by_newton, strict=True)
    return {
        CURVE: max(abs(a - b) for a, b in pairs),
        SOLVED: 100 * solved,
        ACCURACY: accuracy(model, task) - 100 / task.outputs.count,
    }, {"step by step": step_by_step, "Newton": by_newton}


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's coefficient; equal values share their mean rank."""
    ranks = []
    for values in (torch.tensor(a), torch.tensor(b)):
        below, same = values[:, None] > values, values[:, None] == values
        ranks.append((below + same / 2).sum(1))
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def _iterations(net: Network, method: str, most: int) -> int:
    found = solve(net.cell, net.x, method=method, tolerance=1e-8, iterations=most)
    return needed(found, most)


def _run(cell: GRUCell, x: torch.Tensor, engine: str) -> Callable[[], object]:
    rnn = RNN(cell, engine)

    def forward() -> object:
        with torch.no_grad(), newton(tolerance=1e-4):
            return rnn(x)

    return forward


def _marks(scale: Scale) -> list[int]:
    return list(range(0, scale.sine_steps + 1, max(1, scale.sine_steps // 40)))


def _followed(found: Solve, at: Sequence[int]) -> list[float]:
    """The residual after some numbers of iterations; where it ended, it stays."""
    return [found.residuals[min(k, found.iterations)] for k in at]


def _images(scale: Scale, seeds: int, track: Track) -> Measurement:
    return deer_images.measure(scale.images, seeds, track, scale.data["images"])


def _stack(scale: Scale, seeds: int, track: Track) -> Measurement:
    return deer_stack.measure(scale.stack, seeds, track, scale.data["audio"])


_PARTS: dict[str, tuple[Part, str, str, Callable[[Scale], Sequence[float]]]] = {
    "gains": (gains, "gain", "iterations", lambda scale: GAINS),
    "speed": (speed, "units", "time over that of Newton's method", lambda scale: _SIZES),
    "sine": (sine, "iteration", "residual", _marks),
    "training": (training, "update", "loss (nats)", lambda scale: range(scale.updates)),
}

EXPERIMENT = Experiment(
    slug="deer",
    title="Newton's method over a whole sequence (DEER), its diagonal and its damping (ELK)",
    claims=(
        *(SAME, SPAN, EXPONENT, CHAOS, FALLBACK, ORDER, GRADIENT),
        *(SPEED, FALL, FUSED, DAMPED, SINE, CURVE, SOLVED, ACCURACY),
        *deer_lorenz.CLAIMS,
        *deer_two_body.CLAIMS,
        *deer_images.CLAIMS,
        *deer_stack.CLAIMS,
    ),
    scales={
        "small": Scale(),
        "paper": Scale(
            steps=4096,
            nets=10,
            timed_steps=100_000,
            sine_steps=10_000,
            updates=1000,
            hidden=8,
            two_body=deer_two_body.Size(800, 10_000, 10.0, 100_000, 64, 6, 1e-3),
            images=deer_images.Size(updates=20_000, heads=8, units=8),
            stack=deer_stack.Size(10_000, 32, 10_000, 4, width=32, depth=5, rate=1e-3),
        ),
    },
    measure={
        **{name: partial(measure, name) for name in _PARTS},
        "lorenz": lambda scale, *how: deer_lorenz.measure(scale.lorenz, *how),
        "two_body": lambda scale, *how: deer_two_body.measure(scale.two_body, *how),
        "images": _images,
        "stack": _stack,
    },
)
