"""Where the batch lies in traced values, and how they are turned into rows and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

# Frames of these folders are not the user's; other folders may bear the same names.
_LIBRARIES = (f"{Path(torch.__file__).parent}{os.sep}", f"{Path(__file__).parents[2]}{os.sep}")


class LowerError(Exception):
    """The core holds what generated code cannot express; the message names it."""


def batch_axis(node: fx.Node) -> int:
    """The axis that holds the rows.

    Raises:
        LowerError: if there is none, or more than one.
    """
    axes = [axis for axis, n in enumerate(shape_of(node)) if not isinstance(n, int)]
    if len(axes) != 1:
        raise LowerError(f"{operation(node)} does not keep one axis for the batch{line(node)}")
    return axes[0]


def row_shape(node: fx.Node) -> tuple[int, ...]:
    """The shape of one row; axes that torch folds into the batch are unfolded, in front."""
    shape, axis = shape_of(node), batch_axis(node)
    folded = _folded(shape[axis])
    rest = (*shape[:axis], *shape[axis + 1 :])
    if folded > 1 and axis != 0:
        raise LowerError(f"{operation(node)} folds an axis into a batch that is not first")
    return (folded, *rest) if folded > 1 else rest


def to_rows(value: Tensor, node: fx.Node, *batch: int) -> Tensor:
    """A value of `node`, computed for a batch, as (*batch, *row shape)."""
    return value.movedim(batch_axis(node), 0).reshape(*batch, *row_shape(node))


def from_rows(value: Tensor, node: fx.Node, rows: int) -> Tensor:
    """The inverse of `to_rows`, with all rows in one batch axis."""
    shape, axis = shape_of(node), batch_axis(node)
    lead = rows * _folded(shape[axis])
    return value.reshape(lead, *shape[:axis], *shape[axis + 1 :]).movedim(0, axis)


def shape_of(node: fx.Node) -> tuple[Any, ...]:
    """The traced shape, in which the batch is a symbol."""
    return tuple(node.meta["val"].shape)


def operation(node: fx.Node) -> str:
    """The name of an operation, for messages."""
    return str(node.target).removeprefix("aten.").split(".")[0]


def line(node: fx.Node) -> str:
    """Where in the user's code an operation stands, if torch recorded it."""
    lines = [line.strip() for line in (node.meta.get("stack_trace") or "").splitlines()]
    places = [i for i, line in enumerate(lines) if line.startswith('File "')]
    user = [i for i in places if not lines[i].removeprefix('File "').startswith(_LIBRARIES)]
    chosen = (user or places)[-1:]
    return "".join(f", at {' '.join(lines[i : i + 2])}" for i in chosen)


def _folded(size: Any) -> int:
    """How many rows of the value one row of the batch has."""
    (symbol,) = size.node.expr.free_symbols
    factor = size.node.expr / symbol
    if not factor.is_Integer:
        raise LowerError(f"the batch is cut or mixed: an axis has {size.node.expr} rows")
    return int(factor)
