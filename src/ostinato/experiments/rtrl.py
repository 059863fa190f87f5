"""Real-time recurrent learning that can be paid: one layer whose units do not mix.

K. Irie, A. Gopalakrishnan, J. Schmidhuber, "Exploring the Promise and Limits of Real-Time
Recurrent Learning", ICLR 2024, arXiv 2305.19044.

What the paper claims, and where it is measured: the exact gradient, and its limit of one layer
(`rtrl_gradients`); that truncation fails where the span is too short and RTRL does not, and that
it learns to copy online (`rtrl_training`); the same of an agent (`rtrl_memory`); a cost that does
not grow with time (`rtrl_speed`). Its experiments on DMLab, ProcGen and Atari need environments
that are not part of this project.
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import rtrl_gradients, rtrl_memory, rtrl_speed, rtrl_training
from ostinato.experiments.experiment import Experiment

__papers__ = ("rtrl",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        gradients: of the comparison of gradients.
        training: of what is learned.
        memory: of what an agent learns.
        speed: of what is timed.
    """

    gradients: rtrl_gradients.Size
    training: rtrl_training.Size
    memory: rtrl_memory.Size
    speed: rtrl_speed.Size


EXPERIMENT = Experiment(
    slug="rtrl",
    title="RTRL of an eLSTM: exact and untruncated at a constant cost, for one layer",
    claims=(
        *rtrl_gradients.CLAIMS,
        *rtrl_training.CLAIMS,
        *rtrl_memory.CLAIMS,
        *rtrl_speed.CLAIMS,
    ),
    scales={
        "small": Scale(
            rtrl_gradients.Size(units=8, steps=20, lengths=(2, 5, 10, 20)),
            rtrl_training.Size(marked_updates=1000, copy_updates=1000, copied=4, copy_units=48),
            rtrl_memory.Size(length=12, updates=3000, long_updates=700),
            rtrl_speed.Size(units=128, steps=1000, back=(16, 64, 256, 1024), repeats=100),
        ),
        "paper": Scale(
            rtrl_gradients.Size(units=16, steps=100, lengths=(2, 5, 10, 20, 50, 100)),
            rtrl_training.Size(1500, copy_updates=100_000, copied=50, copy_units=2048),
            rtrl_memory.Size(length=40, updates=50_000, long_updates=10_000, units=64),
            rtrl_speed.Size(units=512, steps=10_000, back=(16, 64, 256, 1024, 4096), repeats=100),
        ),
    },
    measure={
        "gradients": lambda scale, *how: rtrl_gradients.measure(scale.gradients, *how),
        "training": lambda scale, *how: rtrl_training.measure(scale.training, *how),
        "memory": lambda scale, *how: rtrl_memory.measure(scale.memory, *how),
        "speed": lambda scale, *how: rtrl_speed.measure(scale.speed, *how),
    },
)
