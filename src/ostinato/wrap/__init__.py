"""Wrappers that work with any cell."""

from __future__ import annotations

from ostinato.wrap.dropout import RecurrentDropout as RecurrentDropout
from ostinato.wrap.dropout import VariationalDropout as VariationalDropout
from ostinato.wrap.leak import Leak as Leak
from ostinato.wrap.learned_state import LearnedState as LearnedState
from ostinato.wrap.normalise import Normalised as Normalised
from ostinato.wrap.residual import Residual as Residual
from ostinato.wrap.wrapper import Wrapper as Wrapper
from ostinato.wrap.zoneout import Zoneout as Zoneout

__all__ = [
    "Leak",
    "LearnedState",
    "Normalised",
    "RecurrentDropout",
    "Residual",
    "VariationalDropout",
    "Wrapper",
    "Zoneout",
]
