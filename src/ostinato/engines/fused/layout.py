"""Where the batch lies in traced values, and how they are turned into rows and back."""

from __future__ import annotations

import linecache
from typing import Any

from torch import Tensor, fx

from ostinato.compiler.rows import Rows, shape


class LowerError(Exception):
    """The core holds what generated code cannot express; the message names it."""


def batch_axis(node: fx.Node) -> int:
    """The axis that holds the rows.

    Raises:
        LowerError: if there is none, or more than one.
    """
    axes = [axis for axis, n in enumerate(shape_of(node)) if isinstance(n, Rows)]
    if len(axes) != 1:
        raise LowerError(f"{operation(node)} does not keep one axis for the batch{line(node)}")
    return axes[0]


def row_shape(node: fx.Node) -> tuple[int, ...]:
    """The shape of one row; axes that torch folds into the batch are unfolded, in front."""
    sizes, axis = shape_of(node), batch_axis(node)
    folded = sizes[axis].factor
    rest = (*sizes[:axis], *sizes[axis + 1 :])
    if folded > 1 and axis != 0:
        raise LowerError(f"{operation(node)} folds an axis into a batch that is not first")
    return (folded, *rest) if folded > 1 else rest


def to_rows(value: Tensor, node: fx.Node, *batch: int) -> Tensor:
    """A value of `node`, computed for a batch, as (*batch, *row shape)."""
    return value.movedim(batch_axis(node), 0).reshape(*batch, *row_shape(node))


def from_rows(value: Tensor, node: fx.Node, rows: int) -> Tensor:
    """The inverse of `to_rows`, with all rows in one batch axis."""
    sizes, axis = shape_of(node), batch_axis(node)
    lead = rows * sizes[axis].factor
    return value.reshape(lead, *sizes[:axis], *sizes[axis + 1 :]).movedim(0, axis)


def shape_of(node: fx.Node) -> tuple[Any, ...]:
    """The traced shape, in which the batch is a symbol."""
    return shape(node.meta["val"])


def operation(node: fx.Node) -> str:
    """The name of an operation, for messages."""
    return str(node.target).removeprefix("aten.").split(".")[0]


def line(node: fx.Node) -> str:
    """Where in the user's code an operation stands."""
    if (place := node.meta.get("place")) is None:
        return ""
    file, number, function = place
    code = linecache.getline(file, number).strip()
    return f', at File "{file}", line {number}, in {function} {code}'
