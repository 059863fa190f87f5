"""How fast affine scans go through memory, beside a plain copy in the same run."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ostinato.bench.machine import Company, crowded
from ostinato.bench.measure import MODES, Work, awaited, compare
from ostinato.bench.result import BandwidthRow
from ostinato.core.errors import OstinatoError
from ostinato.engines.parallel.affine import KINDS as KINDS_OF_SCAN
from ostinato.engines.parallel.affine import affine_scan
from ostinato.train.run import threads as set_threads

# T, B and N: 64 and 16 MiB a tensor.
_LARGE = ((262144, 1, 64), (65536, 1, 256), (16384, 1, 1024), (2048, 32, 256))
SIZES = (*_LARGE, *((steps // 4, batch, width) for steps, batch, width in _LARGE))
KINDS = ("diagonal", "block")
_BLOCK = 2
# Bytes that are copied, whatever the scan takes: more than caches hold, so that it is the rate of
# memory. Both tensors of a smaller copy that is repeated would stay there, the three of a scan not.
_COPIED = 64 * 2**20
# What rounding in float32 leaves, relative to the states, stays ten times below.
_BOUND = 1e-6


def bandwidth_rows(
    kind: str, count: int, repeats: int, device: str = "cpu"
) -> Iterator[BandwidthRow]:
    """One kind of scan at every size and in every mode.

    Args:
        kind: of `affine_scan`.
        count: threads.
        repeats: pairs of samples behind each share.
        device: where the scans run.
    """
    for size in SIZES:
        for mode in MODES:
            company = Company()
            with set_threads(count):
                share, rate = _share(kind, size, mode, repeats, device)
            busy = crowded(count, company.cores())
            yield BandwidthRow(kind, *size, count, mode, share, rate, busy)


def _share(
    kind: str, size: tuple[int, int, int], mode: str, repeats: int, device: str
) -> tuple[float, float]:
    """The rate of the scan over that of the copy, and the latter in GB/s."""
    a, b, g = (tensor.to(device) for tensor in _drawn(kind, size))
    _check(kind, a, b, g)
    here = torch.zeros(_COPIED, dtype=torch.uint8, device=device)
    there = here.clone()
    scan, copy = _work(kind, mode, a, b, g), lambda: there.copy_(here)
    timing = compare(awaited(scan, b.device), awaited(copy, b.device), repeats)
    touched, copied = a.nbytes + 2 * b.nbytes, 2 * here.nbytes
    if mode != "forward":
        # Backward reads A, h and the cotangent, and writes two gradients.
        touched += 2 * a.nbytes + 3 * b.nbytes
    return timing.ratio * touched / copied, copied / timing.peer_ms / 1e6


def _check(kind: str, a: Tensor, b: Tensor, g: Tensor) -> None:
    """The gate: states and the gradient of b must solve their equations.

    Raises:
        OstinatoError: if they do not.
    """
    b = b.detach().requires_grad_()
    h = affine_scan(a, b, kind=kind)
    (flow,) = torch.autograd.grad(h, b, g)
    form = KINDS_OF_SCAN[kind].form
    gaps = {
        "states": h[1:] - form.apply(a[1:], h[:-1]) - b[1:],
        "gradient": flow[:-1] - form.apply(form.adjoint(a[1:]), flow[1:]) - g[:-1],
    }
    for what, gap in gaps.items():
        error = float(gap.detach().norm() / h.detach().norm())
        # Written so that NaN is an error.
        if not error <= _BOUND:
            raise OstinatoError(f"{kind} scan: its {what} miss their equation by {error:.1e}.")


def _work(kind: str, mode: str, a: Tensor, b: Tensor, g: Tensor) -> Work:
    if mode == "forward":
        return lambda: affine_scan(a, b, kind=kind)
    wanted = (a.requires_grad_(), b.requires_grad_())
    return lambda: torch.autograd.grad(affine_scan(a, b, kind=kind), wanted, g)


def _drawn(kind: str, size: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """A, b and a cotangent; each channel, or each channel of a unit, is a plane of its own."""
    steps, batch, width = size
    generator = torch.Generator().manual_seed(0)

    def draw(*planes: int) -> Tensor:
        units = width // (_BLOCK if planes else 1)
        flat = torch.rand(*planes, steps, batch, units, generator=generator)
        return flat.movedim(tuple(range(len(planes))), tuple(range(-len(planes), 0)))

    if kind == "diagonal":
        return draw(), draw(), draw()
    # Rows of A that sum to at most 1, so that nothing overflows.
    return draw(_BLOCK, _BLOCK) / _BLOCK, draw(_BLOCK), draw(_BLOCK)
