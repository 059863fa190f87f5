"""Recurrences inside `torch.compile`: all steps as one operation of the compiled graph.

`captured` is read by torch's compiler, not run. What the compiler cannot read, the choice of an
engine and the engine's plan, is found by ordinary Python on small tensors of the same kind, and
comes back as a string.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from uuid import uuid4
from weakref import ref

import torch
from torch import Generator, Tensor, nn
from torch._dynamo import nonstrict_trace
from torch.utils import _pytree as pytree

from ostinato.core.errors import EngineError
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import check_name, engines
from ostinato.core.state import State, map_state

logger = logging.getLogger("ostinato")
# Enough steps and rows for a plan to be made and tried.
_STEPS = _ROWS = 2
_PLAIN = (bool, int, float, str, type(None))
_OF_EVERY_MODULE = frozenset(vars(nn.Module())) - {"training"}


class Captured(Protocol):
    """A planned recurrence that can be run on stand-ins of tensors.

    Attributes:
        tensors: all that the step uses besides carry and input.
    """

    tensors: Sequence[Tensor]

    def run(self, recurrence: Recurrence, tensors: Sequence[Tensor]) -> tuple[State, Any]:
        """Evaluate with others in the place of `tensors`; T and B may be symbols."""


@dataclass(frozen=True)
class _Entry:
    """What `_run` finds under a handle.

    Attributes:
        plan: weak: it lives as long as its module, in the cache of its engine.
        tree: ((init, fresh), (xs, valid, restart)) with numbers for leaves, or None.
        paths: of the plan's tensors in the module; None: not there.
        attributes: values that the plan may have baked in, by their dotted names.
        reverse: whether time runs downwards.
    """

    plan: ref[Captured]
    tree: Any
    paths: list[str | None]
    attributes: dict[str, Any]
    reverse: bool


_entries: dict[str, _Entry] = {}


def captured(recurrence: Recurrence, requested: str) -> tuple[State, Any] | None:
    """Run a recurrence in code that is being compiled; None: every step has to be written out.

    Args:
        recurrence: the recurrence.
        requested: the name of an engine, or "auto".

    Raises:
        EngineError: if the named engine has no operation for the recurrence.
    """
    if requested == "reference":
        return None
    r = recurrence
    tree = ((r.init, r.fresh), (r.xs, r.valid, r.restart))
    found, spec = pytree.tree_flatten(tree)
    states = len(pytree.tree_leaves(tree[0]))
    count = itertools.count()
    numbers = [None if leaf is None else next(count) for leaf in found]
    module, *flags = r.identity or (None,)
    answer = _ask(
        requested,
        r.rebuild,
        module,
        tuple(flags),
        pytree.tree_unflatten(numbers, spec),
        tuple(
            _kind(leaf, 1 if i < states else 2) for i, leaf in enumerate(found) if leaf is not None
        ),
        r.reverse,
        r.checkpoint is not None,
        all(_fits(leaf, r, i < states) for i, leaf in enumerate(found)),
    )
    if not answer:
        return None
    handle, tensors, attributes = answer.split("|")
    for path in attributes.split():
        # A comparison becomes a guard: the graph is valid for this value only.
        assert _at(module, path) == _planned_with(handle, path)
    leaves = [leaf for leaf in found if leaf is not None]
    # A tuple is what it returns, but torch's decorators have no types in every version.
    return _run(handle, leaves, [_at(module, path) for path in tensors.split()])  # type: ignore


def _kind(leaf: Tensor, lead: int) -> tuple[Any, ...]:
    """What is known of a leaf without its steps and rows, which the compiler must not fix."""
    return min(lead, leaf.dim()), tuple(leaf.shape[lead:]), leaf.dtype, leaf.device.type


def _fits(leaf: Tensor | None, recurrence: Recurrence, is_state: bool) -> bool:
    """Whether a leaf has the steps and the rows of all others, and has any."""
    if leaf is None:
        return True
    rows = pytree.tree_leaves(recurrence.xs)[0].shape[1]
    if is_state:
        return leaf.dim() > 0 and leaf.shape[0] == rows
    return leaf.dim() > 1 and leaf.shape[0] == recurrence.steps > 0 and leaf.shape[1] == rows > 0


def _at(module: Any, path: str) -> Any:
    """The value of a dotted name."""
    for name in path.split("."):
        module = getattr(module, name)
    return module


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _planned_with(handle: str, path: str) -> Any:
    """The value that an attribute had when the plan was made."""
    return _entries[handle].attributes[path]


@nonstrict_trace
def _run(handle: str, leaves: list[Tensor], tensors: list[Tensor]) -> Any:
    """Put the parts of a plan into the graph; its loop is one operation there."""
    entry = _entries[handle]
    plan = entry.plan()
    if plan is None:
        raise EngineError(
            "A compiled graph outlived the module it was made for, or that module's plan. "
            "Call torch.compiler.reset() and compile again."
        )
    (init, fresh), (xs, valid, restart) = map_state(lambda i: leaves[i], entry.tree)
    recurrence = Recurrence(
        step=_no_step,
        init=init,
        xs=xs,
        steps=pytree.tree_leaves(xs)[0].shape[0],
        reverse=entry.reverse,
        valid=valid,
        restart=restart,
        fresh=fresh,
    )
    given = iter(tensors)
    known = zip(entry.paths, plan.tensors, strict=True)
    return plan.run(recurrence, [own if path is None else next(given) for path, own in known])


def _no_step(carry: State, x: Any) -> tuple[State, Any]:
    raise AssertionError("a planned step is not called")


class _Question(NamedTuple):
    """What a recurrence is, apart from its numbers.

    Attributes:
        requested: an engine, or "auto".
        rebuild: makes the step of its identity.
        module: the first part of its identity.
        flags: the rest.
        tree: ((init, fresh), (xs, valid, restart)) with numbers for leaves.
        kinds: of every leaf the number of lead axes, the other axes, dtype and device.
        reverse: whether time runs downwards.
        checkpoint: whether only some carries are to be kept.
        fitting: whether all leaves have the same steps and rows.
    """

    requested: str
    rebuild: Any
    module: nn.Module | None
    flags: tuple[Any, ...]
    tree: Any
    kinds: tuple[Any, ...]
    reverse: bool
    checkpoint: bool
    fitting: bool


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _ask(*asked: Any) -> str:
    """How to run it: "handle|paths of tensors|paths of plain attributes"; "": not at all."""
    question = _Question(*asked)
    check_name(question.requested)
    autocast = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu")

    def plan() -> Captured | str:
        with torch.autocast("cpu", dtype, enabled=autocast, cache_enabled=False):
            return _plan(question)

    # Modes of torch belong to a thread, and that of the caller is in the middle of compiling.
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(plan).result()
    if not isinstance(answer, str):
        assert question.module is not None
        handle, known = uuid4().hex, _paths(question.module)
        paths = [known.get(id(tensor)) for tensor in answer.tensors]
        attributes = _plain_attributes(question.module)
        _entries[handle] = _Entry(ref(answer), question.tree, paths, attributes, question.reverse)
        held = [path for path in paths if path is not None]
        return "|".join((handle, " ".join(held), " ".join(attributes)))
    if question.requested == "auto":
        logger.warning("torch.compile writes every step out: %s", answer)
        return ""
    raise EngineError(
        f"The engine {question.requested!r} cannot be part of a compiled graph here: {answer}. "
        "Call the layer outside torch.compile, or write every step out with engine='reference'."
    )


def _plan(question: _Question) -> Captured | str:
    """The plan of the first engine that has one, or why there is none."""
    if question.module is None:
        return "the step is a plain function, and only that of a module can be planned"
    if not question.fitting:
        return "there are no steps or no rows, or not equally many in all tensors"
    paths, reasons = _paths(question.module), []
    for name, engine in engines().items():
        capture = getattr(engine, "capture", None)
        if capture is None or question.requested not in ("auto", name):
            continue
        answer = capture(_example(question))
        if not isinstance(answer, str):
            if all(id(each) in paths or not each.requires_grad for each in answer.tensors):
                return answer  # type: ignore[no-any-return]
            answer = "the step needs the gradient of a tensor that its module does not hold"
        reasons.append(str(answer))
    return "; ".join(reasons) or "it has no operation for such a graph"


def _example(question: _Question) -> Recurrence:
    """A recurrence of the same kind on a few random numbers."""
    generator = Generator().manual_seed(0)
    assert question.module is not None
    (init, fresh), (xs, valid, restart) = map_state(
        lambda i: _random(question.kinds[i], generator), question.tree
    )
    return Recurrence(
        step=question.rebuild(question.module, *question.flags),
        init=init,
        xs=xs,
        steps=_STEPS,
        reverse=question.reverse,
        valid=valid,
        restart=restart,
        fresh=fresh,
        checkpoint=1 if question.checkpoint else None,
        identity=(question.module, *question.flags),
    )


def _random(kind: tuple[Any, ...], generator: Generator) -> Tensor:
    lead, shape, dtype, device = kind
    drawn = torch.rand((*(_STEPS, _ROWS)[-lead:], *shape), generator=generator)
    return (drawn < 0.5 if dtype == torch.bool else drawn.to(dtype)).to(device)


def _paths(module: nn.Module) -> dict[int, str]:
    """The dotted names of parameters, buffers and tensor attributes, by identity."""
    found = {}
    for prefix, each in module.named_modules():
        for held in (vars(each), each._parameters, each._buffers):
            for name, value in held.items():
                if isinstance(value, Tensor):
                    found[id(value)] = f"{prefix}.{name}" if prefix else name
    return found


def _plain_attributes(module: nn.Module) -> dict[str, Any]:
    """What a plan may have baked in, by dotted names."""
    return {
        f"{prefix}.{name}" if prefix else name: value
        for prefix, each in module.named_modules()
        for name, value in vars(each).items()
        if name not in _OF_EVERY_MODULE and isinstance(value, _PLAIN)
    }
