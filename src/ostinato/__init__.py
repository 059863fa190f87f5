"""Recurrent computation in PyTorch: write one step, run it as fast as the hardware allows.

The public names, nothing else. They are loaded on first use, so that `ostinato --help` and
the paper index answer without importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ostinato.core.cell import Cell as Cell
    from ostinato.core.clip_gradient import clip_gradient as clip_gradient
    from ostinato.core.errors import EngineError as EngineError
    from ostinato.core.errors import OstinatoError as OstinatoError
    from ostinato.core.scan import scan as scan
    from ostinato.engines.chunk.delta_rule import delta_rule as delta_rule
    from ostinato.engines.chunk.matrix_scan import matrix_scan as matrix_scan
    from ostinato.engines.parallel.affine import affine_scan as affine_scan
    from ostinato.engines.parallel.associative import associative_scan as associative_scan
    from ostinato.engines.parallel.dae import solve_dae as solve_dae
    from ostinato.engines.parallel.ode import solve_ode as solve_ode
    from ostinato.engines.parallel.solves import newton as newton
    from ostinato.over.contract import check_cell as check_cell
    from ostinato.over.drop_in import GRU as GRU
    from ostinato.over.drop_in import LSTM as LSTM
    from ostinato.over.drop_in import Elman as Elman
    from ostinato.over.explain import explain as explain
    from ostinato.over.time import RNN as RNN
    from ostinato.over.time import Bidirectional as Bidirectional
    from ostinato.over.time import Stack as Stack

__version__ = "0.1.0"

_HOME = {
    "Bidirectional": "over.time",
    "Cell": "core.cell",
    "Elman": "over.drop_in",
    "EngineError": "core.errors",
    "GRU": "over.drop_in",
    "LSTM": "over.drop_in",
    "OstinatoError": "core.errors",
    "RNN": "over.time",
    "Stack": "over.time",
    "affine_scan": "engines.parallel.affine",
    "associative_scan": "engines.parallel.associative",
    "check_cell": "over.contract",
    "clip_gradient": "core.clip_gradient",
    "delta_rule": "engines.chunk.delta_rule",
    "explain": "over.explain",
    "matrix_scan": "engines.chunk.matrix_scan",
    "newton": "engines.parallel.solves",
    "scan": "core.scan",
    "solve_dae": "engines.parallel.dae",
    "solve_ode": "engines.parallel.ode",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ostinato' has no attribute {name!r}")
    value = getattr(import_module(f"ostinato.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
