"""Plans: steps that were traced and split, kept for as long as they are the same step.

A plan belongs to a module in a certain condition. Whatever a trace may have baked in is part of
its fingerprint: plain attributes, which submodules and tensors there are, and the mode. The
values of tensors are not: they are read at every call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary, ref

from torch import nn
from torch.utils import _pytree as pytree

from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves

P = TypeVar("P")
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class PlanCache(Generic[P]):
    """Plans by step; of every module the latest few are kept.

    Args:
        build: makes the plan of a recurrence.
        most: how many plans a module may have.
    """

    def __init__(self, build: Callable[[Recurrence], P], most: int = 16) -> None:
        self.build, self.most = build, most
        self._plans: WeakKeyDictionary[nn.Module, OrderedDict[Hashable, P]] = WeakKeyDictionary()
        self._latest: tuple[ref[Recurrence], P] | None = None

    def get(self, recurrence: Recurrence) -> P:
        """The plan of a recurrence; a step of unknown identity is planned anew."""
        # An engine is asked first whether it takes a recurrence, then to run it.
        if self._latest is None or self._latest[0]() is not recurrence:
            self._latest = (ref(recurrence), self._find(recurrence))
        return self._latest[1]

    def _find(self, recurrence: Recurrence) -> P:
        if recurrence.identity is None:
            return self.build(recurrence)
        module, *flags = recurrence.identity
        key = (*flags, *_signature(recurrence), fingerprint(module))
        plans = self._plans.setdefault(module, OrderedDict())
        if key not in plans:
            plans[key] = self.build(recurrence)
            if len(plans) > self.most:
                plans.popitem(last=False)
        plans.move_to_end(key)
        return plans[key]


def fingerprint(module: nn.Module) -> Hashable:
    """Everything about a module that a trace may have baked in."""
    return tuple(
        (
            id(each),
            each.training,
            tuple((name, _mark(value)) for name, value in vars(each).items()),
        )
        for each in module.modules()
    )


def _mark(value: Any) -> Hashable:
    """Plain values as they are, containers of them by content, all else by identity."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return tuple(map(_mark, value))
    if isinstance(value, dict):
        return tuple((str(name), _mark(each)) for name, each in value.items())
    return id(value)


def _signature(recurrence: Recurrence) -> tuple[Hashable, ...]:
    """Structure, feature shapes, precisions and devices; not T and B."""
    xs, init = leaves(recurrence.xs), leaves(recurrence.init)
    return (
        str(pytree.tree_structure((recurrence.xs, recurrence.init))),
        *((leaf.shape[2:], leaf.dtype, leaf.device.type) for leaf in xs),
        *((leaf.shape[1:], leaf.dtype, leaf.device.type) for leaf in init),
    )
