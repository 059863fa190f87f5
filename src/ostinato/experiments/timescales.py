"""Memory out of slow units or out of a slow network: the curriculum decides.

S. Khajehabdollahi, R. Zeraati, E. Giannakakis, T. J. Schäfer, G. Martius, A. Levina, "Emergent
mechanisms for long timescales depend on training curriculum and affect performance in memory
tasks", ICLR 2024, arXiv 2309.12927.

Nets learn the parity of the last N bits for N = 2, 3, …: each N alone and then the next one
(single-head), or all of them up to the hardest (multi-head), or the last two (sliding). What is
measured here up to N = 5 is that a net which keeps the easy N learns the hard one sooner,
forgets nothing, reads off N beyond, and bears changes of its weights. Matching to a sample, also
of the paper, is followed without a claim: there single-head training may be the faster one.

That time constants grow with N under single-head training, and networks become slow under
multi-head training, shows in the paper from N ≈ 20 on: hours of training, and nothing is claimed
of it here. The curves of τ are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ostinato.analysis.linear_probe import linear_probe
from ostinato.analysis.perturbation import perturbation
from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel, Track
from ostinato.experiments.timescales_nets import CURRICULA, RECIPES, Climb, Scale, train
from ostinato.tasks.parity import ParityTask
from ostinato.tasks.seeds import generator_at

__papers__ = ("timescales",)

STRENGTH = 0.2
"""Of the perturbation of W, relative to its norm."""
_PROBED, _HELD_OUT, _STEPS, _PENALTY = 6000, 1000, 40, 5.0

FASTER = {
    kind: Claim(
        f"{kind}: epochs until the hardest N is solved, multi-head / single-head",
        paper,
        at_most=0.85,
        every_seed=False,
    )
    for kind, paper in (
        ("leaky", "12 / 20 at N = 11"),
        ("GRU", "multi-head is faster (figure only)"),
        ("LSTM", "multi-head is faster (figure only)"),
    )
}
KEPT = Claim(
    "multi-head: least accuracy of a linear probe for any N trained (%)",
    "100 for N = 2 … 11",
    at_least=97,
)
FORGOTTEN = Claim(
    "the same, multi-head − single-head (points)",
    "32: single-head has 68 at N = 9",
    at_least=5,
)
FURTHER = Claim(
    "accuracy of the probe for one N more, multi-head − single-head (points)",
    "36: 99 and 62 at N = 12",
    at_least=0,
    every_seed=False,
)
STEADIER = Claim(
    f"relative accuracy with W perturbed by {STRENGTH:g}, multi-head − single-head",
    "0.21 at N = 30",
    at_least=0,
)


def measure(scale: Scale, seeds: int, track: Track) -> Measurement:
    """Train every net with the seeds 0 … seeds−1."""
    runs: dict[tuple[str, str], list[Climb]] = {}
    for kind in RECIPES:
        for curriculum in CURRICULA if kind == "leaky" else ("single-head", "multi-head"):
            runs[kind, curriculum] = [
                train(kind, curriculum, scale, seed, track) for seed in range(seeds)
            ]
    values: dict[Claim, Sequence[float]] = {
        claim: _ratios(runs[kind, "multi-head"], runs[kind, "single-head"], scale.hardest)
        for kind, claim in FASTER.items()
    }
    multi, single = (runs["leaky", name] for name in ("multi-head", "single-head"))
    probes = {
        name: [probe(run, scale.hardest + 3, seed) for seed, run in enumerate(runs["leaky", name])]
        for name in CURRICULA
    }
    trained = slice(scale.hardest - 1)
    least = {name: [min(run[trained]) for run in found] for name, found in probes.items()}
    beyond = {name: [run[trained.stop] for run in found] for name, found in probes.items()}
    values[KEPT] = least["multi-head"]
    values[FORGOTTEN] = _minus(least["multi-head"], least["single-head"])
    values[FURTHER] = _minus(beyond["multi-head"], beyond["single-head"])
    values[STEADIER] = _minus(
        [steadiness(run, scale.hardest, seed) for seed, run in enumerate(multi)],
        [steadiness(run, scale.hardest, seed) for seed, run in enumerate(single)],
    )
    panels = [_progress_panel(runs, scale), _probe_panel(probes), _tau_panel(runs, scale)]
    return Measurement(values, panels)


@torch.no_grad()
def probe(run: Climb, hardest: int, seed: int) -> list[float]:
    """Accuracy in percent with which N-parity, N = 2 … hardest, is read off the last states."""
    generator = generator_at(seed, "probe")
    bits = torch.rand(_PROBED, _STEPS, generator=generator) < 0.5
    states = run.net.layer(_inputs(bits, run.signed))[0][:, -1]
    # A unit that never changes has no scale of its own.
    states = (states - states.mean(0)) / states.std(0).clamp_min(1e-6)
    task, share = ParityTask(), _HELD_OUT / _PROBED
    found = [
        linear_probe(states[:, None], task.answer(bits, n).long(), share, _PENALTY)
        for n in range(2, hardest + 1)
    ]
    return [100 * float(each.scores[0]) for each in found]


def steadiness(run: Climb, n: int, seed: int) -> float:
    """Of the accuracy above guessing at this N, the share that is left when W is perturbed."""
    heads = run.net.head.get_parameter("weight").shape[0]
    task = ParityTask(n, heads, n, run.signed, seed)
    options = {"parameter": "recur.weight", "strengths": (STRENGTH,), "repeats": 10}
    found = perturbation(run.net, task, seed=seed, **options)  # type: ignore[arg-type]
    return float(found.relative(0.5)[0])


def _inputs(bits: Tensor, signed: bool) -> Tensor:
    x = bits.float()[..., None]
    return 2 * x - 1 if signed else x


def _ratios(multi: Sequence[Climb], single: Sequence[Climb], n: int) -> list[float]:
    """Epochs of one curriculum over those of another; too large where only the first solved N."""
    return [a.solved.get(n, math.inf) / b.epochs(n) for a, b in zip(multi, single, strict=True)]


def _minus(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [p - q for p, q in zip(a, b, strict=True)]


def _progress_panel(runs: dict[tuple[str, str], list[Climb]], scale: Scale) -> Panel:
    epochs = range(1, scale.epochs + 1)
    curves = [
        Curve(f"{kind}, {curriculum}", epochs, [_held(run.hardest, scale) for run in found])
        for (kind, curriculum), found in runs.items()
    ]
    return Panel("epoch", "hardest N solved", curves)


def _probe_panel(probes: dict[str, list[list[float]]]) -> Panel:
    curves = [Curve(name, range(2, len(found[0]) + 2), found) for name, found in probes.items()]
    return Panel("N of the probe", "accuracy (%)", curves)


def _tau_panel(runs: dict[tuple[str, str], list[Climb]], scale: Scale) -> Panel:
    epochs = range(1, scale.epochs + 1)
    curves = [
        Curve(curriculum, epochs, [_held(run.tau, scale) for run in runs["leaky", curriculum]])
        for curriculum in CURRICULA
    ]
    return Panel("epoch", "mean τ of leaky units (steps)", curves)


def _held(values: Sequence[float], scale: Scale) -> list[float]:
    """Over all epochs: the last value stays when the curriculum has ended."""
    return [*values, *[values[-1]] * (scale.epochs - len(values))]


EXPERIMENT = Experiment(
    slug="timescales",
    title="Curricula of N-parity: single-head, multi-head and sliding",
    claims=(*FASTER.values(), KEPT, FORGOTTEN, FURTHER, STEADIER),
    scales={
        "small": Scale(hidden=64, hardest=5, epochs=90, updates=60),
        "paper": Scale(hidden=500, hardest=30, epochs=1000, updates=600),
    },
    measure=measure,
)
