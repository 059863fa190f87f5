"""Long memory is learned stably if rates of decay are parametrised so that they cannot cross 0.

S. Wang, Z. Li, Q. Li, "Inverse Approximation Theory for Nonlinear Recurrent Neural Networks",
ICLR 2024, arXiv 2305.19190.

Residual networks with hardtanh, every unit with a rate of its own, learn linear functionals of
known memory (loss weighted towards late steps, Adam 1e-2 falling like a cosine, gradient clipped
to 0.5, batches of 128). Then all weights are perturbed, by β in the largest element of each
tensor, in 10 directions: E(β) is the worst loss. "Direct" rates are trained as max(w, 0) and
perturbed as they are; of the others w is perturbed. The paper trains on 128,000 sequences of 100
steps until E(0) falls with the width; here it is a fixed number of updates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn.utils import parametrize

from ostinato.analysis.memory_function import MemoryFunction, memory_function
from ostinato.analysis.perturbation_error import PerturbationError, perturbation_error
from ostinato.cells.residual_drift import ResidualDriftCell
from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel, Track
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.linear_functional import LinearFunctionalTask
from ostinato.wrap.rate_map import RateMap
from ostinato.wrap.weights import parametrise

__papers__ = ("inverse-approximation",)

MAPS = {"direct": "relu", "softplus": "softplus", "exp": "exp", "best": "best"}
PERTURBATIONS = (0.001, 0.004, 0.016, 0.064, 0.256)
_AT = PERTURBATIONS.index(0.064)

AMPLIFIED = {
    name: Claim(
        f"polynomial memory: E(0.064)/E(0), direct over {name}, least over the widths",
        "13 (H = 8) to 7·10⁴ (H = 64), for softplus at β = 0.1",
        at_least=10,
    )
    for name in ("softplus", "exp")
}
FALLING = Claim(
    "polynomial memory, softplus: E(0.256) of the narrowest net over that of the widest",
    "50 (E(0.1), H = 8 over H = 64)",
    at_least=1,
)
RISING = Claim(
    "polynomial memory, direct: E(0.064) of the widest net over that of the narrowest",
    "10 (E(0.1), H = 64 over H = 8)",
    at_least=1,
)
EXPONENTIAL = Claim(
    "exponential memory: E(0.064)/E(0), direct over softplus, most over the widths",
    "both stable",
    at_most=10,
)


@dataclass(frozen=True)
class Scale:
    """Sizes of the experiment.

    Attributes:
        widths: H, ascending.
        steps: T.
        updates: optimizer steps.
        draws: directions of perturbation.
    """

    widths: tuple[int, ...]
    steps: int
    updates: int
    draws: int


@dataclass(frozen=True)
class Kind:
    """What was trained: on which memory, with which map, how wide."""

    memory: str
    name: str
    width: int


@dataclass(frozen=True)
class Studied:
    """A trained net, perturbed, and what it remembers."""

    error: PerturbationError
    memory: MemoryFunction


Studies = Mapping[Kind, Sequence[Studied]]


def measure(scale: Scale, seeds: int, track: Track) -> Measurement:
    """Train every net with the seeds 0 … seeds−1, and perturb it."""
    compared = {"polynomial": tuple(MAPS), "exponential": ("direct", "softplus")}
    studies = {
        kind: [_study(kind, seed, scale, track) for seed in range(seeds)]
        for memory, names in compared.items()
        for kind in (Kind(memory, name, width) for name in names for width in scale.widths)
    }
    narrow, wide = scale.widths[0], scale.widths[-1]
    ratios = {name: _ratios(studies, "polynomial", name, scale.widths) for name in AMPLIFIED}
    stable = _ratios(studies, "exponential", "softplus", scale.widths)
    values: dict[Claim, Sequence[float]] = {
        claim: [min(each) for each in ratios[name]] for name, claim in AMPLIFIED.items()
    }
    values[FALLING] = _growth(studies, "softplus", 0.256, narrow, wide)
    values[RISING] = _growth(studies, "direct", 0.064, wide, narrow)
    values[EXPONENTIAL] = [max(each) for each in stable]
    return Measurement(values, [_error_panel(studies, scale), _memory_panel(studies, scale)])


def _ratios(
    studies: Studies, memory: str, name: str, widths: Sequence[int]
) -> list[tuple[float, ...]]:
    """For each seed, the amplification of direct rates over that of others, at every width."""
    each = [
        [
            float(a.error.amplification[_AT] / b.error.amplification[_AT])
            for a, b in zip(
                *(studies[Kind(memory, which, width)] for which in ("direct", name)), strict=True
            )
        ]
        for width in widths
    ]
    return list(zip(*each, strict=True))


def _growth(studies: Studies, name: str, size: float, over: int, under: int) -> list[float]:
    """For each seed, E(β) at one width over that at another."""
    place = PERTURBATIONS.index(size)
    runs = (studies[Kind("polynomial", name, width)] for width in (over, under))
    return [
        float(a.error.errors[place] / b.error.errors[place]) for a, b in zip(*runs, strict=True)
    ]


def _study(kind: Kind, seed: int, scale: Scale, track: Track) -> Studied:
    torch.manual_seed(seed)
    task = LinearFunctionalTask(kind.memory, scale.steps, seed=seed)
    net = _net(kind)
    text = f"{kind.memory} memory, {kind.name} rates, H = {kind.width}, seed {seed}"
    _fit(net, task, track(range(scale.updates), text), scale.updates)
    cell = cast(ResidualDriftCell, cast(RNN, net.layer).cell)
    if kind.name == "direct":
        parametrize.remove_parametrizations(cell, "rate")
    error = perturbation_error(net, task, PERTURBATIONS, scale.draws)
    return Studied(error, memory_function(cell, torch.ones(1, scale.steps, 1), net.head))


def _net(kind: Kind) -> SequenceModel:
    cell = ResidualDriftCell(1, kind.width, activation="hardtanh", mixed=False)
    parametrise(cell, {"rate": RateMap(MAPS[kind.name])})
    return SequenceModel(nn.Identity(), RNN(cell), nn.Linear(kind.width, 1))


def _fit(net: nn.Module, task: LinearFunctionalTask, steps: Iterable[int], count: int) -> None:
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, count)
    for step in steps:
        batch = task.batch(step, 128)
        loss = task.loss(net(batch.inputs)[0], batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        schedule.step()


def _error_panel(studies: Studies, scale: Scale) -> Panel:
    curves = [
        Curve(
            f"{name}, H = {width}",
            [math.log10(size) for size in PERTURBATIONS],
            [
                each.error.errors.log10().tolist()
                for each in studies[Kind("polynomial", name, width)]
            ],
        )
        for name in ("direct", "softplus")
        for width in scale.widths
    ]
    return Panel("log10 β", "log10 E(β), polynomial memory", curves)


def _memory_panel(studies: Studies, scale: Scale) -> Panel:
    lags = range(1, scale.steps)
    density = LinearFunctionalTask("polynomial", scale.steps).density[1:]
    curves = [Curve("target", lags, [density.tolist()])]
    for name in MAPS:
        found = studies[Kind("polynomial", name, scale.widths[-1])]
        curves.append(Curve(name, lags, [each.memory.memory.tolist() for each in found]))
    return Panel("step", f"memory function, H = {scale.widths[-1]}", curves)


EXPERIMENT = Experiment(
    slug="inverse-approximation",
    title="Long memory under perturbed weights, by how rates of decay are parametrised",
    claims=(*AMPLIFIED.values(), FALLING, RISING, EXPONENTIAL),
    scales={
        "small": Scale(widths=(8, 32), steps=100, updates=1000, draws=10),
        "paper": Scale(widths=(8, 16, 32, 64), steps=100, updates=20_000, draws=30),
    },
    measure=measure,
)
