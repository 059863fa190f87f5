"""Low-rank and sparse recurrence of a CfC: its spectrum, and what it does in a closed loop.

N. Tumma, M. Lechner, N. Loo, R. Hasani, D. Rus, "Leveraging low-rank and sparse recurrent
connectivity for robust closed-loop control", ICLR 2024, arXiv 2310.03915.

The paper clones experts of Atari games and HalfCheetah and finds that low-rank, sparse CfCs do best
where observations or dynamics shift. Here it is cart and pole, seen without velocities, and two
things are asked: whether the spectral radius follows the theory (`sparse_lowrank_cfc_spectrum`),
and what restricted nets lose or gain in the loop (`sparse_lowrank_cfc_control`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import sparse_lowrank_cfc_control, sparse_lowrank_cfc_spectrum
from ostinato.experiments.experiment import Experiment

__papers__ = ("sparse-lowrank-cfc",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        spectrum: of the matrices at initialisation.
        control: of the closed loop.
    """

    spectrum: sparse_lowrank_cfc_spectrum.Size
    control: sparse_lowrank_cfc_control.Size


EXPERIMENT = Experiment(
    slug="sparse-lowrank-cfc",
    title="Low-rank and sparse CfC: spectral radius, and cart and pole in a closed loop",
    claims=(*sparse_lowrank_cfc_spectrum.CLAIMS, *sparse_lowrank_cfc_control.CLAIMS),
    scales={
        "small": Scale(
            sparse_lowrank_cfc_spectrum.Size(),
            sparse_lowrank_cfc_control.Size(updates=400),
        ),
        "gymnasium": Scale(
            sparse_lowrank_cfc_spectrum.Size(),
            sparse_lowrank_cfc_control.Size(updates=400, episodes=50, environment="CartPole-v1"),
        ),
        "paper": Scale(
            sparse_lowrank_cfc_spectrum.Size(units=1024),
            sparse_lowrank_cfc_control.Size(updates=4000, units=64, episodes=1000),
        ),
    },
    measure={
        "spectrum": lambda scale, *how: sparse_lowrank_cfc_spectrum.measure(scale.spectrum, *how),
        "control": lambda scale, *how: sparse_lowrank_cfc_control.measure(scale.control, *how),
    },
)
