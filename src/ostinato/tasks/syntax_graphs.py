"""Syntax graphs of Python functions: is there a `return` inside a loop?

Every function of the standard library that has both is a graph: a node for each node of its syntax
tree, edges from parent to child and, on request, from each use of a name to the next use of the
same name. What nodes there are does not tell the answer; that one stands under the other does.
"""

from __future__ import annotations

import ast
import platform
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.over.dag import DAG
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.labelled_graphs import LabelledGraph, LabelledGraphsTask
from ostinato.tasks.text_files import standard_library

__papers__ = ("plstm",)

KINDS = sorted(
    name for name, kind in vars(ast).items() if isinstance(kind, type) and issubclass(kind, ast.AST)
)
"""What a node may be, by the number of its label."""

_NUMBER = {name: number for number, name in enumerate(KINDS)}
_LOOPS = (ast.For, ast.While)


class SyntaxGraphsTask(LabelledGraphsTask):
    """Batches of syntax graphs, half of them with a `return` inside a loop; guessing scores 0.5.

    Functions differ between Python versions, so `describe` names the version and the counts.
    Held out are the functions of every fourth file.

    Args:
        most: nodes of the largest graph.
        uses: whether uses of a name are linked; the longest path is that of the tree otherwise.
        seed: what the order of the training graphs derives from.
    """

    def __init__(self, most: int = 150, uses: bool = False, seed: int = 0) -> None:
        require_at_least(10, most=most)
        files = [_functions(path, most, uses) for part in standard_library() for path in part]
        parts = {"train": [f for n, f in enumerate(files) if n % 4], "valid": files[::4]}
        graphs = {
            split: _balanced([each for file in part for each in file])
            for split, part in parts.items()
        }
        super().__init__(graphs, seed)

    def describe(self) -> dict[str, Any]:
        """What every task of graphs says, and the version of Python."""
        return {**super().describe(), "python": platform.python_version()}


def graph_of(function: ast.AST, uses: bool) -> tuple[Tensor, DAG]:
    """Labels (N,) and edges of a syntax tree; nodes are numbered in the order of the source.

    Args:
        function: the root of the tree.
        uses: link each use of a name to the next.
    """
    labels, edges, last = list[int](), list[tuple[int, int]](), dict[str, int]()
    stack: list[tuple[ast.AST, int | None]] = [(function, None)]
    while stack:
        node, parent = stack.pop()
        number = len(labels)
        labels.append(_NUMBER[type(node).__name__])
        if parent is not None:
            edges.append((parent, number))
        if uses and isinstance(node, ast.Name):
            if node.id in last:
                edges.append((last[node.id], number))
            last[node.id] = number
        # Load and Store say nothing that the tree does not.
        children = [n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.expr_context)]
        stack += [(child, number) for child in reversed(children)]
    pairs = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    return torch.tensor(labels), DAG(pairs.contiguous(), len(labels))


def returns_in_loop(function: ast.AST) -> bool:
    """Whether a `return` stands inside a `for` or a `while`."""
    loops = [node for node in ast.walk(function) if isinstance(node, _LOOPS)]
    return any(isinstance(node, ast.Return) for loop in loops for node in ast.walk(loop))


@cache
def _functions(path: Path, most: int, uses: bool) -> tuple[LabelledGraph, ...]:
    """The functions of a file that have a loop and a `return`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the source of others
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            kinds = {type(each) for each in ast.walk(node)}
            if ast.Return in kinds and kinds.intersection(_LOOPS):
                labels, dag = graph_of(node, uses)
                if dag.nodes <= most:
                    target = torch.tensor([int(returns_in_loop(node))])
                    found.append(LabelledGraph(labels, dag, target))
    return tuple(found)


def _balanced(graphs: list[LabelledGraph]) -> list[LabelledGraph]:
    """As many of one answer as of the other, in turn."""
    sides = [[each for each in graphs if int(each.targets) == target] for target in (0, 1)]
    return [each for pair in zip(*sides, strict=False) for each in pair]
