"""Random steps over the language of generated code: a small program drawn from a seed.

A step has one to three leaves of state, of one or two axes, one to three inputs, some of them
unused, weights that may be shared, and a random graph of operations between them. In some, heads do
not see one another, or elements do not; in some of these the new state is affine in the old one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import ostinato as ost

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softplus": nn.functional.softplus,
    "neg": torch.neg,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "exp": lambda a: torch.exp(-a.abs()),
    "expm1": lambda a: torch.expm1(-a.abs()),
    "log": lambda a: torch.log(a.abs() + 0.5),
    "log1p": lambda a: torch.log1p(a.abs()),
    "sqrt": lambda a: torch.sqrt(a.abs() + 0.1),
    "rsqrt": lambda a: torch.rsqrt(a * a + 0.3),
    "reciprocal": lambda a: torch.reciprocal(1 + a * a),
    "erf": torch.erf,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "clamp": lambda a: a.clamp(-0.7, 0.9),
    "square": lambda a: a**2,
    "cube": lambda a: a**3 / (1 + a.abs() ** 3),
    "softmax": lambda a: torch.softmax(a, -1),
    "log_softmax": lambda a: torch.log_softmax(a, -1) / 5,
    "standardise": lambda a: (a - a.mean(-1, keepdim=True)) * torch.rsqrt(
        a.var(-1, unbiased=False, keepdim=True) + 0.1
    ),
    "l2": lambda a: a / (1 + a.norm(dim=-1, keepdim=True)),
    "sum": lambda a: a.sum(-1, keepdim=True).expand_as(a) / a.shape[-1],
    "amax": lambda a: a - a.amax(-1, keepdim=True),
    "first_axis": lambda a: a - a.mean(1, keepdim=True),
    "roll": lambda a: torch.cat([a[..., 1:], a[..., :1]], -1),
    "halves": lambda a: torch.cat(a.chunk(2, -1)[::-1], -1),
    "select": lambda a: a * a[..., 0, None],
    "scale": lambda a: 0.5 * a + 0.1,
    "stack": lambda a: torch.stack([a, a.tanh()], -1).sum(-1) / 2,
    "clip_gradient": lambda a: ost.clip_gradient(a, 0.05),
}  # fmt: skip
MAPS = ("dense0", "dense1", "heads", "heads", "heads", "shared", "low_rank", "norm")
# What takes an element beyond its head, and beyond itself.
BEYOND_HEAD = {"first_axis", "dense0", "dense1", "low_rank"}
BEYOND_ELEMENT = BEYOND_HEAD | {
    "softmax", "log_softmax", "standardise", "l2", "sum", "amax", "roll", "halves", "select",
    "heads", "shared", "norm",
}  # fmt: skip
EXCLUDED = {"row": set(), "head": BEYOND_HEAD, "element": BEYOND_ELEMENT}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": lambda a, b: a / (1 + b * b),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda a, b: torch.where(a > b, a, -b),
    "gate": lambda a, b: torch.sigmoid(a) * b,
    "mix": lambda a, b: torch.lerp(a, b, 0.3),
    "both": lambda a, b: torch.where((a > 0) & (b < 0.5), a * b, b),
}


class RandomCell(ost.Cell):
    """A step drawn from a seed; `program` lists what it does.

    Args:
        seed: of the draw.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        torch.manual_seed(seed)
        self.heads, self.size = draw.choice([(1, 3), (1, 8), (2, 3), (3, 5), (1, 17), (2, 16)])
        self.leaves = draw.randint(1, 3)
        self.inputs = draw.randint(1, 3)
        self.reach = draw.choice(["row", "row", "head", "element"])
        self.affine = self.reach == "element" and draw.random() < 0.5
        width = self.heads * self.size
        self.dense = nn.ModuleList(nn.Linear(width, width, draw.random() < 0.5) for _ in range(2))
        self.per_head = nn.Parameter(torch.randn(self.heads, self.size, self.size) / self.size)
        self.shared = nn.Linear(self.size, self.size)
        self.down, self.up = nn.Linear(width, 2, False), nn.Linear(2, width)
        self.vector = nn.Parameter(torch.randn(self.size))
        self.norm = nn.LayerNorm(self.size)
        self.program = self._draw(draw)
        count = len(self.program)
        self.results = [draw.randrange(count // 2, count) for _ in range(self.leaves + 2)]

    def _draw(self, draw: random.Random) -> list[tuple[str, str, int, int]]:
        known, begin = self.leaves + self.inputs, self.leaves if self.affine else 0
        kinds = {"unary": UNARY, "binary": BINARY, "map": MAPS, "vector": ("add", "mul")}
        names = {
            kind: [name for name in given if name not in EXCLUDED[self.reach]]
            for kind, given in kinds.items()
        }
        program = []
        for k in range(draw.randint(4, 14)):
            kind = draw.choice(["unary", "unary", "binary", "binary", "map", "map", "vector"])
            kind = kind if names[kind] else "vector"
            # The latest as often as any, so that operations stand on one another.
            a = draw.choice([known + k - 1, draw.randrange(begin, known + k)])
            b = draw.randrange(begin, known + k)
            program.append((kind, draw.choice(names[kind]), a, b))
        return program

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Leaves of alternating shape: (B, H) and (B, K, d)."""
        flat, shaped = (self.heads * self.size,), (self.heads, self.size)
        return tuple(
            self.zeros(batch_size, *(shaped if i % 2 else flat)) for i in range(self.leaves)
        )

    def forward(self, x: Any, state: tuple[Tensor, ...]) -> tuple[Any, tuple[Tensor, ...]]:
        """Run the program on values of shape (B, K, d)."""
        shape = (-1, self.heads, self.size)
        values = [leaf.reshape(shape) for leaf in state] + [leaf.reshape(shape) for leaf in x]
        known = len(values)
        for kind, name, a, b in self.program:
            values.append(self._operate(kind, name, values[a], values[b]))
        made = [values[known + i] for i in self.results]
        new = tuple(
            self._new(value, leaf.reshape(shape), values[i - 1]).reshape(leaf.shape)
            for i, (value, leaf) in enumerate(zip(made, state, strict=False))
        )
        return {"a": made[-1], "b": made[-2].flatten(1) + new[0].flatten(1)}, new

    def _new(self, value: Tensor, own: Tensor, other: Tensor) -> Tensor:
        """A new leaf: a value of the program, or the old leaf times one of the input's."""
        if not self.affine:
            return torch.tanh(value)
        return torch.sigmoid(value) * own + 0.3 * torch.tanh(value) * other

    def _operate(self, kind: str, name: str, a: Tensor, b: Tensor) -> Tensor:
        if kind == "unary":
            return UNARY[name](a)
        if kind == "binary":
            return BINARY[name](a, b)
        if kind == "vector":
            return a + self.vector if name == "add" else a * self.vector
        if name == "heads":
            return torch.einsum("bkd,kde->bke", a, self.per_head)
        if name in ("shared", "norm"):
            return getattr(self, name)(a)
        flat = a.flatten(1)
        flat = self.up(self.down(flat)) if name == "low_rank" else self.dense[int(name[-1])](flat)
        return flat.reshape(a.shape)

    def example(self, rows: int, steps: int) -> tuple[Tensor, ...]:
        """Inputs (B, T, K·d), one tensor for each."""
        return tuple(torch.randn(rows, steps, self.heads * self.size) for _ in range(self.inputs))
