"""Run a function on tensors without memory and write down the operations it calls.

torch's own tracers carry symbolic sizes through every operation, which takes them most of a
tenth of a second a step, and loading them takes seconds. Here sizes are plain numbers, of which
one stands for the rows.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ostinato.compiler.blank import Blank
from ostinato.compiler.decompose import decompositions
from ostinato.compiler.rows import APART, ROWS, Rows, TraceError, symbolic
from ostinato.compiler.shapes import result as result_of

aten = torch.ops.aten

_UNKNOWABLE = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
# Frames of these folders are not the user's; other folders may bear the same names.
_TORCH, _COMPILER, _PACKAGE = (
    f"{folder}{os.sep}"
    for folder in (Path(torch.__file__).parent, Path(__file__).parent, Path(__file__).parents[1])
)
_COPY = aten.copy_.default
_APART = {aten.unbind.int: 1, aten.split.Tensor: 2, aten.unsafe_split.Tensor: 2}
_MASKS = (torch.bool, torch.uint8)
# A loop over the rows would go on for very long before it comes to anything else.
_MOST = 100_000


def record(
    function: Callable[..., Any],
    examples: Sequence[Tensor | None],
    fixed: Sequence[Tensor] = (),
    folded: Sequence[int] = (),
) -> fx.GraphModule:
    """The graph of a function of tensors (B, ...) that returns a list.

    Every node has the tensor that it stands for in meta["val"], and where in the user's code
    it was made in meta["place"].

    Args:
        function: is called once.
        examples: its arguments; only their shapes, dtypes and device are read.
        fixed: further arguments, which have no rows.
        folded: for each of the last examples how many times the rows its first axis is.
    """
    device = next(each.device for each in examples if each is not None)
    recorder = Recorder(device)
    times = [1] * (len(examples) - len(folded)) + [*folded]
    given = [recorder.given(each, count) for each, count in zip(examples, times, strict=True)]
    given += [recorder.given(each, 0) for each in fixed]
    with torch.no_grad(), Sizes(), recorder:
        results = function(*given)
    recorder.graph.output(pytree.tree_map(recorder.node, results))
    return fx.GraphModule(recorder.root, recorder.graph)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes operations into a graph.

    Args:
        device: where the tensors of the step are in truth.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.graph, self.root = device, fx.Graph(), nn.Module()
        # Tensors are known by identity, and so have to stay alive as long as the recorder.
        self._nodes: dict[int, tuple[Tensor, fx.Node]] = {}
        self._twins: dict[int, Blank] = {}
        self._rows: fx.Node | None = None
        self._fresh: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Without this torch would load its compiler, a second's work, to keep it out."""
        return False

    def given(self, example: Tensor | None, times: int) -> Blank | None:
        """A new argument of the graph, with so many times the rows, or as it is for 0."""
        node, value = self.graph.placeholder(f"arg_{len(self.graph.nodes)}"), None
        if example is not None:
            shape = (ROWS * times, *example.shape[1:]) if times else example.shape
            value = Blank(torch.empty(shape, dtype=example.dtype, device="meta"), self.device)
        self._know(value, node)
        return value

    def node(self, value: Any) -> Any:
        """What stands for a value in the graph; a tensor that no operation made is a constant."""
        if isinstance(value, Tensor):
            return self._nodes[id(value)][1] if id(value) in self._nodes else self._constant(value)
        if type(value) is bool or not isinstance(value, int) or value <= 0:
            return value
        size = symbolic(value) if value < 2**62 else value
        return self._times_rows(size) if isinstance(size, Rows) else value

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Take an operation apart, or write it down."""
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:
            return self.device
        _check_axis(func, args)
        taken_apart = self._taken_apart(func, args, kwargs)
        if taken_apart is NotImplemented:
            taken_apart = self._replaced(func, args, kwargs)
        if taken_apart is not NotImplemented:
            return taken_apart
        if _unknowable(func, args):
            raise TraceError("Python control flow depends on the value of a tensor")
        if func is aten.lift_fresh.default:
            self.node(args[0]).meta["literal"] = True
            return self._known(args[0])
        written = pytree.tree_map(self.node, (args, kwargs))
        node = self.graph.call_function(func, *written)
        node.meta["place"] = _place()
        if len(self.graph.nodes) > _MOST:
            raise TraceError(f"the step takes more than {_MOST} operations")
        result = self._run(func, args, kwargs)
        self._know(result, node)
        self._watch(func, args, result)
        return result

    def _watch(self, func: Any, args: tuple[Any, ...], result: Any) -> None:
        """Keep account of the tensors that no other tensor shares elements with."""
        shares = any(each.alias_info is not None for each in func._schema.returns)
        if shares or "unsafe" in func._schema.name:
            self._fresh -= {id(each) for each in args}
        elif isinstance(result, Tensor):
            self._fresh.add(id(result))

    def _taken_apart(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        rule = decompositions().get(func)
        if rule is None and not func._can_decompose():
            return NotImplemented
        args, kwargs = pytree.tree_map_only(Tensor, self._known, (args, kwargs))
        with self:
            made = func.decompose(*args, **kwargs) if rule is None else rule(*args, **kwargs)
        # A rule may give its argument back where the operation makes a copy.
        self._fresh -= {id(each) for each in args if each is made}
        return made

    def _replaced(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What is done in place, done apart, if nobody could see the difference."""
        outside = _outside(func)
        if outside is None or id(args[0]) not in self._fresh:
            return NotImplemented
        old = args[0]
        with self:
            new = args[1].expand(old.shape) if outside is _COPY else outside(*args, **kwargs)
            new = new if new.dtype == old.dtype else new.to(old.dtype)
        if new.shape != old.shape:
            return NotImplemented
        self._nodes[id(old)] = old, self.node(new)
        return old

    def _known(self, value: Tensor) -> Blank:
        """A tensor without memory whose node is known."""
        self.node(value)
        return self._twin(value)

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": torch.device("meta")}
        bare = pytree.tree_map_only(Tensor, lambda each: self._twin(each).bare, (args, kwargs))
        made = result_of(func, *bare)
        # What is done in place gives its argument back, which stays the same tensor.
        same = {id(each.bare): each for each in args if isinstance(each, Blank)}

        def clothed(each: Tensor) -> Blank:
            return same[id(each)] if id(each) in same else Blank(each, self.device)

        return pytree.tree_map_only(Tensor, clothed, made)

    def _know(self, result: Any, node: fx.Node) -> None:
        """Remember which node a tensor is, or each of several."""
        node.meta["val"] = result
        if isinstance(result, Tensor):
            for size in result.shape:
                symbolic(size)
            self._nodes[id(result)] = result, node
        elif isinstance(result, tuple | list):
            for i, part in enumerate(result):
                if isinstance(part, Tensor):
                    item = self.graph.call_function(operator.getitem, (node, i))
                    item.meta["place"] = node.meta.get("place")
                    self._know(part, item)

    def _constant(self, value: Tensor) -> fx.Node:
        if isinstance(value, Blank):
            raise TraceError(
                "a tensor comes from no operation that can be recorded (.data, or a gradient "
                "taken inside the step)"
            )
        name = f"constant_{len(self._twins)}"
        setattr(self.root, name, value)
        node = self.graph.get_attr(name)
        node.meta["val"] = twin = self._twin(value)
        self._nodes[id(value)] = value, node
        self._nodes[id(twin)] = twin, node
        return node

    def _twin(self, value: Tensor) -> Blank:
        """A tensor without memory in the place of a constant."""
        if isinstance(value, Blank):
            return value
        if id(value) not in self._twins:
            bare = torch.empty_strided(
                value.shape, value.stride(), dtype=value.dtype, device="meta"
            )
            self._twins[id(value)] = Blank(bare, value.device)
        return self._twins[id(value)]

    def _times_rows(self, size: Rows) -> fx.Node:
        if self._rows is None:
            self._rows = self._rows_node()
        if size.factor == 1:
            return self._rows
        node = self.graph.call_function(operator.mul, (self._rows, size.factor))
        node.meta["val"] = size
        return node

    def _rows_node(self) -> fx.Node:
        """The number of rows, read off the first argument that has them."""
        for node in self.graph.nodes:
            value = node.meta.get("val")
            if isinstance(value, Tensor) and value.dim() and isinstance(_first(value), Rows):
                with self.graph.inserting_after(node):
                    found = self.graph.call_function(aten.sym_size.int, (node, 0))
                found.meta["val"] = _first(value)
                return found
        raise TraceError("the step has neither a state nor an input with rows")


class Sizes(TorchFunctionMode):
    """Answers Python's questions about sizes: rows are a symbol."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Make sizes symbols."""
        result = func(*args, **(kwargs or {}))
        if func in _SIZES:
            return _symbols(result)
        if func is Tensor.__len__ and isinstance(symbolic(result), Rows):
            raise TraceError(
                "the step depends on how many rows there are: len(x) fixes their number where "
                "x.shape[0] does not"
            )
        return result


class Shape(tuple[int, ...]):
    """The shape of a tensor with a symbol for the rows, which torch.Size would turn to numbers."""

    def numel(self) -> int:
        """The number of elements."""
        total = 1
        for size in self:
            total = total * size
        return total


def _symbols(result: Any) -> Any:
    if isinstance(result, int):
        return symbolic(result)
    sizes = Shape(map(symbolic, result))
    return sizes if any(isinstance(size, Rows) for size in sizes) else result


_SIZES = {
    Tensor.shape.__get__,  # type: ignore[attr-defined]
    Tensor.size,
    Tensor.numel,
    Tensor.nelement,
    torch.numel,
}


def _outside(func: Any) -> Any:
    """The operation that does apart what another does in place, if there is one."""
    name = func._schema.name.removeprefix("aten::")
    if func is _COPY:
        return _COPY
    if not func._schema.is_mutable or torch.Tag.nondeterministic_seeded in func.tags:
        return None
    packet = getattr(aten, name.removesuffix("_"), None) if name.endswith("_") else None
    return getattr(packet, func._overloadname, None)


def _unknowable(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether what an operation gives, or its shape, hangs on the values of tensors."""
    if func is aten.index.Tensor:
        return any(each is not None and each.dtype in _MASKS for each in args[1])
    return bool(_UNKNOWABLE & set(func.tags))


def _check_axis(func: Any, args: tuple[Any, ...]) -> None:
    """Refuse to make a tensor of every row."""
    if func in _APART:
        axis = args[_APART[func]] if len(args) > _APART[func] else 0
        if args[0].shape[axis] >= ROWS:
            raise TraceError(APART)


def _first(value: Tensor) -> int:
    return symbolic(value.shape[0])


def _place() -> tuple[str, int, str] | None:
    """File, line and function of the innermost frame that is the user's, else of a cell's."""
    frame, inner = sys._getframe(2), None
    while frame is not None and frame.f_code is not record.__code__:
        name = frame.f_code.co_filename
        if not name.startswith((_TORCH, _COMPILER)):
            place = name, frame.f_lineno, frame.f_code.co_name
            if not name.startswith(_PACKAGE):
                return place
            inner = inner or place
        frame = frame.f_back  # type: ignore[assignment]
    return inner
