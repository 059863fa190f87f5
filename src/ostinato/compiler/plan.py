"""Plans: steps that were traced and split, kept for as long as they are the same step.

A plan belongs to a module in a certain condition, or to a function in a certain surrounding.
Whatever a trace may have baked in is part of the fingerprint: plain attributes, which submodules
and tensors there are, and the mode. The values of tensors are not: they are read at every call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary, ref

import torch
from torch import nn
from torch.utils import _pytree as pytree

from ostinato.compiler.binding import bound, places
from ostinato.core.identity import Identity, Same
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves

P = TypeVar("P")
_EXACT = (bool, int, str, type(None))
_TABLES = (dict, OrderedDict, set)
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class PlanCache(Generic[P]):
    """Plans by step; of every module, and of all functions together, the latest few are kept.

    Args:
        build: makes the plan of a recurrence, with `fission` and `stages`; or the reason why
            there is none.
        most: how many plans a module may have; functions may have four times as many.
    """

    def __init__(self, build: Callable[[Recurrence], P], most: int = 16) -> None:
        self.build, self.most = build, most
        self._plans: WeakKeyDictionary[nn.Module, OrderedDict[Hashable, P]] = WeakKeyDictionary()
        self._latest: tuple[ref[Recurrence], P] | None = None
        self._of_functions: OrderedDict[Hashable, tuple[P, dict[str, int]]] = OrderedDict()

    def get(self, recurrence: Recurrence) -> P:
        """The plan of a recurrence; a step of unknown identity is planned anew."""
        # An engine is asked first whether it takes a recurrence, then to run it.
        if self._latest is None or self._latest[0]() is not recurrence:
            plan = self._find(recurrence)
            self._latest = (ref(recurrence, self._forget), plan)
            return plan
        return self._latest[1]

    def _forget(self, gone: ref[Recurrence]) -> None:
        """A plan of one call must not keep that call's tensors alive."""
        if self._latest is not None and self._latest[0] is gone:
            self._latest = None

    def _find(self, recurrence: Recurrence) -> P:
        if recurrence.identity is None:
            return self.build(recurrence)
        module, *flags = recurrence.identity
        if isinstance(module, Identity):
            return self._of_function(recurrence, module, (*flags, *_signature(recurrence)))
        key = (*flags, *_signature(recurrence), fingerprint(module))
        plans = self._plans.setdefault(module, OrderedDict())
        if key not in plans:
            plans[key] = self.build(recurrence)
            if len(plans) > self.most:
                plans.popitem(last=False)
        plans.move_to_end(key)
        return plans[key]

    def _of_function(self, recurrence: Recurrence, known: Identity, key: tuple[Hashable, ...]) -> P:
        """A plan that lives on without the tensors of this call, given back with them."""
        key, plans = (*key, known.key), self._of_functions
        if key in plans:
            plans.move_to_end(key)
            plan, where = plans[key]
            return plan if isinstance(plan, str) else bound(plan, where, known.tensors)
        plan = self.build(recurrence)
        found = {} if isinstance(plan, str) else places(plan.fission.trace, known.tensors)  # type: ignore[attr-defined]
        if found is not None:
            plans[key] = plan if isinstance(plan, str) else bound(plan, found, None), found
            if len(plans) > 4 * self.most:
                plans.popitem(last=False)
        return plan


def fingerprint(module: nn.Module) -> Hashable:
    """Everything about a module that a trace may have baked in."""
    return tuple(
        (
            Same(each),
            each.training,
            # Most of what a module holds are empty tables of hooks.
            tuple((k, _mark(v)) for k, v in vars(each).items() if type(v) not in _TABLES or v),
        )
        for each in module.modules()
    )


def _mark(value: Any) -> Hashable:
    """Plain values as they are, containers of them by content, all else by identity."""
    if type(value) in _EXACT:
        return type(value), value
    if isinstance(value, _PLAIN):
        # Zero has a sign, and one is not True.
        return type(value), repr(value)
    if isinstance(value, list | tuple):
        return tuple(map(_mark, value))
    if isinstance(value, dict):
        return tuple((str(name), _mark(each)) for name, each in value.items())
    return Same(value)


def _signature(recurrence: Recurrence) -> tuple[Hashable, ...]:
    """Structure, feature shapes, precisions and devices; not T and B."""
    xs, init = leaves(recurrence.xs), leaves(recurrence.init)
    return (
        torch.get_default_dtype(),
        str(pytree.tree_structure((recurrence.xs, recurrence.init))),
        *((leaf.shape[2:], leaf.dtype, leaf.device) for leaf in xs),
        *((leaf.shape[1:], leaf.dtype, leaf.device) for leaf in init),
    )
