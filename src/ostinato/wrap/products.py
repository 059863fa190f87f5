"""Which modules of a cell are maps of its input, of its state, or of both.

Nothing is read off names: the cell takes one step, hooks catch what every module puts out, and
the graph of autograd says what each of these was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.state import State, leaves, map_state
from ostinato.wrap.probe import input_shape, probe_step
from ostinato.wrap.rates import is_continuous


@dataclass(frozen=True)
class Observation:
    """What was seen in one step of a cell.

    Attributes:
        x: the input, (2, D).
        state: the state before the step.
        output: what the cell put out.
        modules: for each module that was called, the tensors it put out.
    """

    x: Tensor
    state: State
    output: Any
    modules: dict[str, list[Tensor]]


@dataclass(frozen=True)
class Products:
    """The linear maps of a cell by what they depend on.

    Attributes:
        input: names of those that depend on x and not on the state.
        state: names of those that depend on the state and not on x.
        both: names of those that depend on both.
    """

    input: list[str]
    state: list[str]
    both: list[str]


def observe(cell: Cell) -> Observation:
    """Run one step on zeros and record what every module puts out.

    Raises:
        ArgumentError: if the cell does not tell its input size, or the step fails.
    """
    recorded: dict[str, list[Tensor]] = {}
    hooks = [
        module.register_forward_hook(_recorder(recorded, name))
        for name, module in cell.named_modules()
        if name
    ]
    try:
        with torch.enable_grad():
            x = cell.zeros(2, *input_shape(cell)).requires_grad_()
            state = map_state(_as_source, cell.initial_state(2))
            output, _ = probe_step(cell, x, state)
    finally:
        for hook in hooks:
            hook.remove()
    return Observation(x, state, output, recorded)


def products(cell: Cell, seen: Observation) -> Products:
    """Sort the linear maps of a cell; those that depend on neither are left out."""
    sorted_maps = Products([], [], [])
    sources = [leaf for leaf in leaves(seen.state) if leaf.requires_grad]
    for name in linear_maps(cell):
        outputs = seen.modules.get(name, [])
        of_input, of_state = _depends(outputs, [seen.x]), _depends(outputs, sources)
        if of_input and of_state:
            sorted_maps.both.append(name)
        elif of_input:
            sorted_maps.input.append(name)
        elif of_state:
            sorted_maps.state.append(name)
    return sorted_maps


def linear_maps(cell: nn.Module) -> list[str]:
    """The names of the modules that say their `out_features`, as nn.Linear; outermost only."""
    found: list[str] = []
    for name, module in cell.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if name and not inside and isinstance(getattr(module, "out_features", None), int):
            found.append(name)
    return found


def substitute(cell: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of another, under every name that the other has."""
    old = cell.get_submodule(name)
    for alias in [n for n, m in cell.named_modules(remove_duplicate=False) if m is old]:
        cell.set_submodule(alias, module)


def _recorder(recorded: dict[str, list[Tensor]], name: str) -> Any:
    def record(module: nn.Module, args: Any, output: Any) -> None:
        recorded.setdefault(name, []).extend(t for t in leaves(output) if isinstance(t, Tensor))

    return record


def _as_source(leaf: Tensor) -> Tensor:
    return leaf.detach().clone().requires_grad_(is_continuous(leaf))


def _depends(outputs: list[Tensor], sources: list[Tensor]) -> bool:
    """Whether any output was computed from any source."""
    reached = [output for output in outputs if output.requires_grad]
    if not reached or not sources:
        return False
    seeds = [torch.ones_like(output) for output in reached]
    grads = torch.autograd.grad(reached, sources, seeds, retain_graph=True, allow_unused=True)
    return any(grad is not None for grad in grads)
