"""The compiled products, against torch."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused.routines import pack, routines

from .kernels import needs_compiler

pytestmark = needs_compiler
SIZES = [(1, 1, 1), (1, 5, 70), (3, 2, 64), (7, 16, 33), (13, 65, 130), (32, 64, 256)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("start", ["nothing", "bias", "rows"])
def test_matmul(dtype, size, start):
    rows, k, n = size
    wide, w = torch.randn(rows, k + 3, dtype=dtype), torch.randn(k, n, dtype=dtype)
    begin = torch.randn(rows if start == "rows" else 1, n, dtype=dtype)
    c = torch.full((rows, n + 2), 7.0, dtype=dtype)
    address = None if start == "nothing" else begin.data_ptr()
    apart = n if start == "rows" else 0
    panels = pack(w)
    routines(dtype).matmul(
        *(rows, k, n, wide.data_ptr(), k + 3),
        *(panels.data_ptr(), c.data_ptr(), n + 2, address, apart),
    )
    expected = wide[:, :k] @ w + (0 if start == "nothing" else begin)
    torch.testing.assert_close(c[:, :n], expected)
    assert (c[:, n:] == 7).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_outer_adds_to_what_is_there(dtype, size):
    rows, k, n = size
    a = torch.randn(4, rows + 1, k, dtype=dtype)
    b = torch.randn(rows, 4, n + 1, dtype=dtype).transpose(0, 1)
    c = torch.randn(k, n, dtype=dtype)
    expected = c + torch.einsum("trk,trn->kn", a[:, :rows], b[..., :n])
    routines(dtype).outer(
        *(4, rows, k, n, a.data_ptr(), a.stride(0), a.stride(1)),
        *(b.data_ptr(), b.stride(0), b.stride(1), c.data_ptr(), n),
    )
    exact = 1e-12 if dtype is torch.float64 else 1e-4
    torch.testing.assert_close(c, expected, rtol=exact, atol=exact)
