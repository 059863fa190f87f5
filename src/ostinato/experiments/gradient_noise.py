"""Annealed gradient noise trains deep nets that plain gradients leave at chance.

A. Neelakantan, L. Vilnis, Q. V. Le, I. Sutskever, Ł. Kaiser, K. Kurach, J. Martens, "Adding
Gradient Noise Improves Learning for Very Deep Networks", 2015, arXiv 1511.06807.

What the paper claims, and where it is measured: ReLU nets of 20 layers (`gradient_noise_depth`),
memory networks on bAbI (`gradient_noise_memory`), Neural GPUs that multiply binary numbers
(`gradient_noise_arithmetic`). Neural programmers and neural random-access machines are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ostinato.experiments import (
    gradient_noise_arithmetic,
    gradient_noise_depth,
    gradient_noise_memory,
)
from ostinato.experiments.experiment import Experiment, Measurement, Track

__papers__ = ("gradient-noise",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        depth: of the deep nets.
        memory: of the memory networks.
        arithmetic: of the Neural GPUs.
        data: the folder or archive of the bAbI tasks; None: generated stories.
    """

    depth: gradient_noise_depth.Size
    memory: gradient_noise_memory.Size
    arithmetic: gradient_noise_arithmetic.Size
    data: str | None = None


def _memory(scale: Scale, seeds: int, track: Track) -> Measurement:
    size = replace(scale.memory, data=scale.data)
    return gradient_noise_memory.measure(size, seeds, track)


EXPERIMENT = Experiment(
    slug="gradient-noise",
    title="Gradient noise: deep nets, memory networks, Neural GPUs",
    claims=(
        *gradient_noise_depth.CLAIMS,
        *gradient_noise_memory.CLAIMS,
        *gradient_noise_arithmetic.CLAIMS,
    ),
    scales={
        "small": Scale(
            gradient_noise_depth.Size(4000, eta=0.25),
            gradient_noise_memory.Size(epochs=24),
            gradient_noise_arithmetic.Size(updates=400),
        ),
        "paper": Scale(
            gradient_noise_depth.Size(12_000, eta=0.16),
            gradient_noise_memory.Size(epochs=100, kinds=(1, 2, 3), memories=50),
            gradient_noise_arithmetic.Size(updates=20_000, digits=20, maps=24),
        ),
    },
    measure={
        "depth": lambda scale, *how: gradient_noise_depth.measure(scale.depth, *how),
        "memory": _memory,
        "arithmetic": lambda scale, *how: gradient_noise_arithmetic.measure(scale.arithmetic, *how),
    },
)
