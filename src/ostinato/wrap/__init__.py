"""Wrappers and parametrisations that work with any cell."""

from __future__ import annotations

from ostinato.wrap.attend import Attend as Attend
from ostinato.wrap.clamped import Clamped as Clamped
from ostinato.wrap.delayed import Delayed as Delayed
from ostinato.wrap.dropout import RecurrentDropout as RecurrentDropout
from ostinato.wrap.dropout import VariationalDropout as VariationalDropout
from ostinato.wrap.leak import Leak as Leak
from ostinato.wrap.learned_state import LearnedState as LearnedState
from ostinato.wrap.mixed_memory import MixedMemory as MixedMemory
from ostinato.wrap.mixed_precision import MixedPrecision as MixedPrecision
from ostinato.wrap.normalise import Normalised as Normalised
from ostinato.wrap.rate_map import RateMap as RateMap
from ostinato.wrap.recurrent_connectivity import restrict_recurrence as restrict_recurrence
from ostinato.wrap.recurrent_gradient import RecurrentGradient as RecurrentGradient
from ostinato.wrap.residual import Residual as Residual
from ostinato.wrap.runge_kutta import RungeKutta as RungeKutta
from ostinato.wrap.stacked import Stacked as Stacked
from ostinato.wrap.weights import LowRank as LowRank
from ostinato.wrap.weights import Mask as Mask
from ostinato.wrap.weights import Trainable as Trainable
from ostinato.wrap.weights import parametrise as parametrise
from ostinato.wrap.wrapper import Wrapper as Wrapper
from ostinato.wrap.zoneout import Zoneout as Zoneout

__all__ = [
    "Attend",
    "Clamped",
    "Delayed",
    "Leak",
    "LearnedState",
    "LowRank",
    "Mask",
    "MixedMemory",
    "MixedPrecision",
    "Normalised",
    "RateMap",
    "RecurrentDropout",
    "RecurrentGradient",
    "Residual",
    "RungeKutta",
    "Stacked",
    "Trainable",
    "VariationalDropout",
    "Wrapper",
    "Zoneout",
    "parametrise",
    "restrict_recurrence",
]
