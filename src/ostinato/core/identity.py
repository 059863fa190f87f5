"""When two functions are the same step.

A function is known by its code and by everything the code can reach: defaults, what it closes
over, and the globals it names. Plain values count by value, tensors by shape and precision only:
those of the present call take the place of those that were traced. Whatever else could change
unseen makes a function unknown, and unknown functions are never taken for one another.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

# Libraries whose names are taken to mean the same for as long as the process lives.
_STABLE = ("torch", "math", "operator", "functools", "numpy", "ostinato", "builtins")
# What lets code reach further than its names say.
_FAR = {
    "eval", "exec", "globals", "locals", "vars", "getattr", "setattr", "open", "__import__",
    "print",
}  # fmt: skip
# What changes a container, which a trace would do once instead of at every step.
_CHANGES = {
    "append", "extend", "insert", "add", "update", "pop", "popitem", "remove", "discard", "clear",
    "setdefault", "sort", "reverse", "__setitem__",
}  # fmt: skip
_CONTAINERS = (list, dict, set, types.SimpleNamespace)
_VALUES = (bool, int, str, bytes, type(None), types.EllipsisType)
_CONSTANT = (torch.dtype, torch.device, torch.layout, torch.memory_format, slice, range)


class _UnknownError(Exception):
    """Something could change without being seen."""


class Same:
    """Equal to itself while the object lives; what comes later at its address is another.

    Args:
        value: any object; one that cannot be weakly referenced is kept alive.
    """

    def __init__(self, value: Any) -> None:
        self._hash = id(value)
        try:
            self._value: Callable[[], Any] = ref(value)
        except TypeError:
            self._value = lambda: value

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        mine = self._value()
        return isinstance(other, Same) and mine is not None and mine is other._value()


@dataclass
class Identity:
    """What makes a function the step it is.

    Attributes:
        key: equal for functions that compute the same from their tensors.
        tensors: those it reaches, in an order that the key fixes.
        found: the modules it reaches.
    """

    key: Hashable = None
    tensors: list[Tensor] = field(default_factory=list)
    found: list[nn.Module] = field(default_factory=list)

    def modules(self) -> Iterator[nn.Module]:
        """All modules, also those inside of others."""
        for each in self.found:
            yield from each.modules()


def identify(step: Callable[..., Any]) -> Identity | None:
    """The identity of a function, a partial function or a method; None: not known."""
    identity = Identity()
    try:
        identity.key = _Marks(identity).mark(step)
    except (_UnknownError, TypeError, ValueError, RecursionError):
        return None
    return identity


class _Marks:
    """Hashable marks of all that a function reaches."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.places: dict[int, int] = {}
        # Alive until the end, so that no address is used twice.
        self.seen: list[Any] = []

    def mark(self, value: Any) -> Hashable:
        """A mark; equal marks mean the same to a trace."""
        if isinstance(value, Tensor):
            return self._tensor(value)
        if (kind := type(value)) in _VALUES or isinstance(value, _CONSTANT):
            return kind, str(value) if isinstance(value, slice) else value
        if kind in (float, complex):
            # Zero has a sign, and NaN does not equal itself.
            return kind, repr(value)
        if id(value) in self.places:
            return "again", self.places[id(value)]
        self.places[id(value)] = len(self.places)
        self.seen.append(value)
        return self._object(value)

    def _object(self, value: Any) -> Hashable:
        kind = type(value)
        if kind in (list, tuple, torch.Size):
            return kind, *map(self.mark, value)
        if kind in (set, frozenset):
            return kind, frozenset(map(self.mark, value))
        if kind is dict:
            return kind, *((self.mark(k), self.mark(v)) for k, v in value.items())
        if isinstance(value, nn.Module):
            return self._module(value)
        if kind is types.SimpleNamespace:
            return kind, self.mark(vars(value))
        if kind is functools.partial:
            return kind, *map(self.mark, (value.func, value.args, value.keywords))
        if kind is types.MethodType:
            return kind, self.mark(value.__func__), self.mark(value.__self__)
        if _is_stable(value):
            return Same(value) if kind is not types.BuiltinFunctionType else value
        if kind is types.FunctionType:
            return self._function(value)
        raise _UnknownError

    def _tensor(self, value: Tensor) -> Hashable:
        """Shape and kind; the values are those of the call. Equal tensors stay equal."""
        if id(value) in self.places:
            return "again", self.places[id(value)]
        self.places[id(value)] = len(self.places)
        self.identity.tensors.append(value)
        options = value.dtype, value.device, value.layout, value.requires_grad, value.is_leaf
        strides = value.stride() if value.layout is torch.strided else None
        return type(value), tuple(value.shape), strides, *options

    def _module(self, value: nn.Module) -> Hashable:
        """A module by identity, with all that a trace may have baked in."""
        self.identity.found.append(value)
        return (Same(value), *(self._condition(each) for each in value.modules()))

    def _condition(self, module: nn.Module) -> Hashable:
        attributes = (
            (name, Same(v) if isinstance(v, nn.Module) else self._attribute(v))
            for name, v in vars(module).items()
            if name != "_modules"
        )
        inner = ((name, each and Same(each)) for name, each in module._modules.items())
        forward = type(module).forward
        code = None if _is_stable(type(module)) else self.mark(forward)
        return type(module), code, tuple(attributes), tuple(inner)

    def _attribute(self, value: Any) -> Hashable:
        """Hooks and the like lie in ordered dictionaries."""
        return self.mark(dict(value) if isinstance(value, dict) else value)

    def _function(self, value: types.FunctionType) -> Hashable:
        code = value.__code__
        names = _names(code)
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        globals_ = [(n, value.__globals__[n]) for n in names if n in value.__globals__]
        reached = (*cells, *(each for _, each in globals_), *(value.__defaults__ or ()))
        if _changes(code) and any(isinstance(each, _CONTAINERS) for each in reached):
            raise _UnknownError
        return (
            code,
            self.mark(value.__defaults__),
            self.mark(value.__kwdefaults__),
            self.mark(vars(value)),
            tuple(self.mark(each) for each in cells),
            tuple((name, self._global(each, names)) for name, each in globals_),
        )

    def _global(self, value: Any, names: Iterable[str]) -> Hashable:
        if not isinstance(value, types.ModuleType) or _is_stable(value):
            return self.mark(value)
        # Of a module of the user's those attributes count that the code may mean.
        return Same(value), *((n, self.mark(vars(value)[n])) for n in names if n in vars(value))


def _is_stable(value: Any) -> bool:
    """Whether something belongs to a library, and so stays what it is."""
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] in _STABLE
    if isinstance(value, types.BuiltinFunctionType):
        # Bound to nothing, or to a library: not the method of a list.
        owner = value.__self__
        return owner is None or isinstance(owner, type) or _is_stable(owner)
    home = getattr(value, "__module__", None)
    kinds = (type, types.FunctionType, type(torch.ops.aten.add), type(torch.ops.aten.add.Tensor))
    if isinstance(value, types.FunctionType) and value.__closure__:
        return False
    return isinstance(value, kinds) and str(home).partition(".")[0] in _STABLE


@functools.lru_cache(1024)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """What code may look up by name, functions inside of it included.

    Raises:
        _UnknownError: if it could reach other things too, or change what it reaches.
    """
    found = dict.fromkeys(code.co_names)
    for each in dis.get_instructions(code):
        outer = each.opname == "STORE_DEREF" and each.argval in code.co_freevars
        if outer or each.opname in ("IMPORT_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR"):
            raise _UnknownError
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= dict.fromkeys(_names(constant))
    if _FAR & set(found):
        raise _UnknownError
    return tuple(found)


@functools.lru_cache(1024)
def _changes(code: types.CodeType) -> bool:
    """Whether code may change a container."""
    inner = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    stores = any(each.opname.endswith("STORE_SUBSCR") for each in dis.get_instructions(code))
    return stores or bool(_CHANGES & set(code.co_names)) or any(map(_changes, inner))
