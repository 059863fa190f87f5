"""A step taken apart: what runs before, in and after the loop, and how the carry is coupled."""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from torch import fx
from torch.utils import _pytree as pytree

from ostinato.compiler.cost import Cost, cost
from ostinato.compiler.fission import Fission, Kind, is_size, split
from ostinato.compiler.structure import Pattern, Structure, structure
from ostinato.compiler.trace import TraceError, trace
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import index
from ostinato.engines.fused.derive import derive
from ostinato.engines.fused.layout import LowerError, operation
from ostinato.engines.fused.lower import lower

_PLACES = {
    Kind.CONSTANT: "once a call",
    Kind.INPUT: "before the loop",
    Kind.CORE: "in the loop",
    Kind.OUTPUT: "after the loop",
}
# More names, or leaves, than these would hide the rest of an explanation.
_MOST_NAMES, _MOST_LEAVES = 10, 8


@dataclass(frozen=True)
class Anatomy:
    """A step taken apart.

    Attributes:
        operations: how often each operation occurs, by where it runs.
        sunk: matrices whose gradient is one product after the loop; None: no code can be
            generated for the core.
        leaves: what to call the leaves of the state.
        structure: how they are coupled.
        cost: what a step of the loop costs.
    """

    operations: dict[str, dict[str, int]]
    sunk: tuple[str, ...] | None
    leaves: tuple[str, ...]
    structure: Structure
    cost: Cost

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        found = self.structure
        return {
            "operations": self.operations,
            "sunk": None if self.sunk is None else list(self.sunk),
            "structure": {
                "pattern": found.pattern.value,
                "affine": found.affine,
                "verified": found.verified,
                "findings": list(found.findings),
                "couplings": [
                    {
                        "new": new,
                        "old": old,
                        "pattern": coupling.pattern.value,
                        "heads": coupling.heads,
                        "columns": coupling.columns,
                        "alike": coupling.alike,
                        "block": list(coupling.block),
                        "degree": coupling.degree.name.lower(),
                    }
                    for new, row in zip(self.leaves, found.couplings, strict=True)
                    for old, coupling in zip(self.leaves, row, strict=True)
                ],
            },
            "cost": asdict(self.cost),
        }

    def lines(self) -> list[str]:
        """The same for reading."""
        facts = [f"{place:<15}  {_counted(names)}" for place, names in self.operations.items()]
        if self.sunk:
            names = ", ".join(self.sunk)
            facts.append(f"sunk             gradients of {names}, one product each after the loop")
        return [*facts, *self._carry_lines(), *self._cost_lines()]

    def _carry_lines(self) -> list[str]:
        found = self.structure
        checked = "verified by Jacobians" if found.verified else "read off the graph"
        rows = [
            f"  {new} ← {self._sources(row)}"
            for new, row in zip(self.leaves, found.couplings, strict=True)
        ]
        dropped = len(rows) - _MOST_LEAVES
        return [
            f"core             {found.pattern.value}, {found.degree.name.lower()}; {checked}",
            *rows[:_MOST_LEAVES],
            *([f"  and {dropped} leaves more"] if dropped > 0 else []),
            *(f"  but {finding}" for finding in found.findings),
        ]

    def _sources(self, row: Any) -> str:
        named = zip(self.leaves, row, strict=True)
        coupled = [f"{old} {each}" for old, each in named if each.pattern is not Pattern.NONE]
        return "; ".join(coupled) or "nothing of the state"

    def _cost_lines(self) -> list[str]:
        c = self.cost
        return [
            f"a step and row   {c.products:,} FLOPs in products, {c.pointwise:,} elsewhere",
            f"                 bytes: {c.state:,} of state, {c.inputs:,} of input; "
            f"{c.weights:,} of weights for all rows",
        ]


def dissect(recurrence: Recurrence) -> Anatomy | str:
    """Take the step of a recurrence apart, or say why that cannot be done."""
    if recurrence.steps == 0:
        return "there are no steps"
    try:
        fission = split(trace(recurrence.step, recurrence.init, index(recurrence.xs, 0)))
        return Anatomy(
            operations={place: _operations(fission, kind) for kind, place in _PLACES.items()},
            sunk=_sunk(fission, recurrence),
            leaves=_leaf_names(recurrence.init),
            structure=structure(fission),
            cost=cost(fission),
        )
    except TraceError as error:
        return str(error)
    except Exception as error:
        # An explanation must not fail where the recurrence itself has run.
        return f"{type(error).__name__}: {error}".splitlines()[0]


def _operations(fission: Fission, kind: Kind) -> dict[str, int]:
    nodes = [n for n in fission.of(kind) if not is_size(n) and n.target is not operator.getitem]
    return dict(Counter(operation(node).lstrip("_") for node in nodes))


def _counted(names: dict[str, int]) -> str:
    total = sum(names.values())
    if not total:
        return "nothing"
    shown = [name if count == 1 else f"{name} ×{count}" for name, count in names.items()]
    rest = [*shown[:_MOST_NAMES], "…"] if len(shown) > _MOST_NAMES else shown
    return f"{total} operation{'s' if total > 1 else ''}: {', '.join(rest)}"


def _sunk(fission: Fission, recurrence: Recurrence) -> tuple[str, ...] | None:
    try:
        matrices = derive(lower(fission)).matrices
    except LowerError:
        return None
    found = [_name(fission.constants[each.constant], fission, recurrence) for each in matrices]
    return tuple(dict.fromkeys(found))


def _name(constant: fx.Node, fission: Fission, recurrence: Recurrence) -> str:
    """The parameters that a constant is computed from, or its shape."""
    cell = recurrence.cell
    known = {id(p): name for name, p in cell.named_parameters()} if cell is not None else {}
    names, pending = list[str](), [constant]
    while pending:
        node = pending.pop()
        pending.extend(node.all_input_nodes)
        names += [known.get(id(fission.trace.constants.get(node.name)), "")]
    shape = "×".join(map(str, constant.meta["val"].shape))
    return " and ".join(filter(None, dict.fromkeys(names))) or f"a {shape} matrix"


def _leaf_names(state: Any) -> tuple[str, ...]:
    paths, _ = pytree.tree_flatten_with_path(state)
    return tuple(f"state{pytree.keystr(path)}" for path, _ in paths)
