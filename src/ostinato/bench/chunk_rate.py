"""How near compiled chunks come to the rate at which torch multiplies large matrices.

python -m ostinato.bench.chunk_rate 64 128 --steps 4096

Operations are those of the chunk form itself, two for a multiplication and an addition, of
triangles the half that is not zero; exponentials, scaling and copies count as nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.bench.machine import Company, crowded
from ostinato.bench.measure import compare
from ostinato.core.errors import OstinatoError
from ostinato.engines.chunk import kernel
from ostinato.engines.chunk.recurrence import chunk_size, recur
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.chunk.stepwise import stepwise
from ostinato.train.run import threads

# Rows and columns of the matrices that torch multiplies.
_SQUARE = 512
_HEADS = 4
# What rounding in float32 leaves stays ten times below.
_BOUND = 1e-5


class Kind(NamedTuple):
    """A recurrence of the family.

    Attributes:
        updates: n.
        by_key: whether every key has a decay of its own.
        erases: whether something is taken out before writing.
    """

    updates: int
    by_key: bool
    erases: bool


KINDS = {
    "mamba2": Kind(1, False, False),
    "gated-delta-net": Kind(1, False, True),
    "gla": Kind(1, True, False),
    "rwkv7": Kind(2, True, True),
}


class Rate(NamedTuple):
    """One line of the table.

    Attributes:
        kind: of `KINDS`.
        width: K = V.
        way: "forward", or "backward" alone.
        share: operations a second over those of torch's product.
        milliseconds: median.
        crowded: whether others took the core.
    """

    kind: str
    width: int
    way: str
    share: float
    milliseconds: float
    crowded: bool


def operations(kind: Kind, width: int, size: int) -> tuple[int, int]:
    """Of one chunk of `size` steps, forward and backward."""
    rows = size * kind.updates
    state = 2 * width * width
    # What q and erase keys see of the rows written: triangles of size · rows and rows · rows.
    triangles = width * (size + rows * kind.erases) * rows
    reads = size + rows * kind.erases
    forward = state * (reads + rows) + 2 * triangles
    # Weights once more, dN, and of the rows read and written the gradients.
    backward = state * (2 * reads + 2 * rows) + 5 * triangles
    return forward, backward


def rates(name: str, width: int, steps: int, repeats: int) -> Iterator[Rate]:
    """Forward and backward of one kind, on one thread, each beside torch's product.

    Args:
        name: of `KINDS`.
        width: K = V.
        steps: T.
        repeats: pairs of samples behind each share.

    Raises:
        OstinatoError: if chunks do not compute what single steps do.
    """
    kind, size = KINDS[name], chunk_size(steps, KINDS[name].updates)
    _check(name, width, size)
    given, state = _drawn(kind, width, steps), torch.zeros(1, _HEADS, width, width)
    o, last, kept = kernel.forward(given, state, 1.0, size, True)
    assert kept is not None
    grads = torch.randn_like(o), torch.randn_like(last)
    square = torch.randn(_SQUARE, _SQUARE)
    product = torch.empty_like(square)
    ways = {
        "forward": lambda: kernel.forward(given, state, 1.0, size, False),
        "backward": lambda: kernel.backward(given, kept, *grads, 1.0, size),
    }
    for (way, ours), count in zip(ways.items(), operations(kind, width, size), strict=True):
        company = Company()
        with threads(1):
            timing = compare(ours, lambda: torch.mm(square, square, out=product), repeats)
        share = timing.ratio * count * _HEADS * (steps // size) / (2 * _SQUARE**3)
        busy = crowded(1, company.cores())
        yield Rate(name, width, way, share, timing.ours_ms, busy)


def _check(name: str, width: int, size: int) -> None:
    """The gate: three chunks, and all gradients, against single steps in float64."""
    given, state = _drawn(KINDS[name], width, 3 * size), torch.zeros(1, _HEADS, width, width)
    drawn = (given.q, given.k, given.v, given.g, given.beta)
    leaves = [x.requires_grad_() for x in drawn if x is not None]
    batch, _, heads, _ = given.q.shape
    single = stepwise(given.map(Tensor.double).by_heads(1.0), state.double().flatten(0, 1))
    expected = torch.unflatten(single[0], 0, (batch, heads)).transpose(1, 2)
    outcomes = []
    for o, last in (recur(given, state, size=size), (expected, single[1].view_as(state))):
        grads = torch.autograd.grad(o.square().sum() + last.square().sum(), leaves)
        outcomes.append((o.detach(), last.detach(), *grads))
    for found, right in zip(*outcomes, strict=True):
        error = float((found - right).norm() / right.norm())
        # Written so that NaN is an error.
        if not error <= _BOUND:
            raise OstinatoError(f"Chunks of {name} are off single steps by {error:.1e}.")


def _drawn(kind: Kind, width: int, steps: int) -> Steps:
    rows = 1, steps * kind.updates, _HEADS
    q, v = torch.randn(1, steps, _HEADS, width), torch.randn(*rows, width)
    k = F.normalize(torch.randn(*rows, width), dim=-1)
    g = -0.1 * torch.rand(1, steps, _HEADS, width if kind.by_key else 1)
    return Steps(q, k, v, g, k if kind.erases else None, torch.rand(rows))


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("widths", nargs="*", type=int, default=[64], help="K = V")
    parser.add_argument("--steps", type=int, default=4096, help="T, a multiple of the chunk")
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args(arguments)
    print(*(f"{title:>16}" for title in Rate._fields))
    for width in given.widths:
        for name in KINDS:
            for found in rates(name, width, given.steps, given.repeats):
                share, time = f"{found.share:.2f}", f"{found.milliseconds:.1f}"
                cells = found._replace(share=share, milliseconds=time)  # type: ignore[arg-type]
                print(*(f"{cell!s:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
