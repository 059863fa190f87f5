"""How a table runs a cell by the name of a column: an engine, a form of one, or another way.

- `on chip`, `alternating`: generated code in this form on a device, also where another is faster.
- `compiled step`, `graph`: the loop in Python, its step compiled by torch, or all of it recorded as
  a CUDA graph.
- `Newton`, `quasi`, `ELK`, `ELK smoother`: all steps together, by this method.
- `in turn`, `convolution`: an LSSL step by step, discretised once for a pass; or by Krylov vectors
  and Fourier transforms.
- `wavefront`, `blocks`, `full gating`: a grid cell after cell, in blocks of 8 × 8, as one block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ostinato.bench.peers import PythonLoop, compiled_step
from ostinato.bench.sweep.bare import OverGrid
from ostinato.cells.lssl import LSSLCell
from ostinato.core.cell import Cell
from ostinato.core.errors import EngineError
from ostinato.engines.fused.backend import Triton
from ostinato.engines.fused.device.forms import ALTERNATING, ON_CHIP
from ostinato.engines.fused.device.kernel import DeviceKernel
from ostinato.engines.fused.engine import FusedLoop
from ostinato.models.time.lssl_layer import LSSL
from ostinato.over.layer import Options
from ostinato.over.time import RNN

Side = Callable[[Tensor], Tensor]
"""x (B, T, D) to y (B, T, H)."""

NEWTON: Mapping[str, Mapping[str, Any]] = {
    "Newton": {},
    "quasi": {"method": "quasi"},
    "ELK": {"damping": 0.01},
    "ELK smoother": {"damping": 0.01, "smooth": True},
}
"""Options of `ost.newton` under which a column is measured."""


def side(module: Any, name: str) -> Side:
    """A module, run as a column says; a grid remembers how.

    Raises:
        EngineError: if there is no such way to run this module.
    """
    if name in _BLOCKS or isinstance(module, OverGrid):
        return _over_grid(module, name)
    if name in _WAYS:
        return _WAYS[name](module)
    layer = RNN(module, "parallel" if name in NEWTON else name)
    return lambda x: layer(x)[0]


class Check(NamedTuple):
    """With what a table compares before it measures.

    Attributes:
        side: that is run in float64.
        steps: at most.
        rows: at most, where the check does not find room for all; None: all of them.
    """

    side: str
    steps: int
    rows: int | None = None


def exact(module: nn.Module) -> Check:
    """The column that others are compared with.

    An FFT errs the more the longer it is; in float64 it is exact enough to be asked for more steps
    than a loop with gradients has room for. A grid keeps a matrix for every cell.
    """
    if isinstance(module, OverGrid):
        return Check("wavefront", 256, 8)
    return Check("convolution", 2**12) if isinstance(module, LSSLCell) else Check("reference", 256)


def _in_form(form: str, cell: Cell) -> Side:
    """Generated code in one form, which no engine of a name takes."""
    engine, layer = FusedLoop(lambda device: Triton(device, form)), RNN(cell)

    def run(x: Tensor) -> Tensor:
        if not x.is_cuda:
            raise EngineError(f"The form {form!r} is one of code for CUDA; x lies on {x.device}.")
        recurrence = layer.recurrence(x, None, Options())
        plan = engine.capture(recurrence)
        if isinstance(plan, str):
            raise EngineError(f"Generated code cannot run {recurrence.name}: {plan}.")
        assert isinstance(plan.kernel, DeviceKernel)
        # Where it does not fit, another is taken.
        forms = plan.kernel.forms(len(x), x.shape[1], torch.is_grad_enabled())
        if set(forms) != {form}:
            raise EngineError(
                f"{recurrence.name} cannot take the form {form!r}, but: {', '.join(forms)}."
            )
        ys: Tensor = engine.run(recurrence)[1]
        return ys.transpose(0, 1)

    return run


def _compiled(cell: Cell) -> Side:
    # Of one function torch keeps a few forms only, and every size is another cell.
    torch.compiler.reset()
    loop = compiled_step(cell)
    return lambda x: loop(x)[0]


def _recorded(cell: Cell) -> Side:
    """One graph for all kernels of the loop, recorded where x has another shape than before."""
    graphs: dict[torch.Size, Any] = {}

    def run(x: Tensor) -> Tensor:
        if not x.is_cuda:
            raise EngineError(f"CUDA graphs need x on a CUDA device; it lies on {x.device}.")
        if x.shape not in graphs:
            graphs.clear()
            sample = x.detach().requires_grad_(x.requires_grad)
            with torch.enable_grad():
                graphs[x.shape] = torch.cuda.make_graphed_callables(PythonLoop(cell), (sample,))
        y: Tensor = graphs[x.shape](x)[0]
        return y

    return run


def _convolved(cell: LSSLCell) -> Side:
    layer = LSSL(cell, "convolution")
    return lambda x: layer(x)[0]


def _in_turn(cell: LSSLCell) -> Side:
    """The recurrence in Python, with Ā and B̄ computed once for all steps."""

    def run(x: Tensor) -> Tensor:
        u, (held, hold) = cell.input(x), cell.discretised()
        state, states = cell.initial_state(len(x)), list[Tensor]()
        for u_t in u.unbind(1):
            # Features first: a product of matrices for each of them.
            moved = (state.transpose(0, 1) @ held.mT).transpose(0, 1)
            state = moved + hold * u_t[..., None]
            states.append(torch.einsum("bhn,hmn->bhm", state, cell.C))
        y: Tensor = torch.stack(states, 1) + cell.D * u[..., None]
        return y.flatten(2)

    return run


def _over_grid(module: nn.Module, name: str) -> Side:
    if name not in _BLOCKS or not isinstance(module, OverGrid):
        known = ", ".join(_BLOCKS)
        raise EngineError(f"Grids are run as {known}, cells on engines; not {name!r}.")
    module.layer.block = _BLOCKS[name]
    return module


_BLOCKS = {"wavefront": (1, 1), "blocks": (8, 8), "full gating": None}
_WAYS: dict[str, Callable[[Any], Side]] = {
    ON_CHIP: partial(_in_form, ON_CHIP),
    ALTERNATING: partial(_in_form, ALTERNATING),
    "compiled step": _compiled,
    "graph": _recorded,
    "in turn": _in_turn,
    "convolution": _convolved,
}
