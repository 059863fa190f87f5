from __future__ import annotations

import torch

from ostinato.cells.complex_pair import polar, real_part, rows, times

C128 = torch.complex128


def parts(z):
    return z.real, z.imag


def test_products_and_polar_form_are_those_of_complex_numbers():
    a, b = torch.randn(2, 5, dtype=C128)
    torch.testing.assert_close(torch.complex(*times(parts(a), parts(b))), a * b)
    torch.testing.assert_close(torch.complex(*polar(a.abs(), a.angle())), a)


def test_matrices_act_on_parts_as_the_complex_ones_do():
    b, c = torch.randn(4, 3, dtype=C128), torch.randn(2, 4, dtype=C128)
    x = torch.randn(3, dtype=torch.float64)
    h = rows(b) @ x
    torch.testing.assert_close(torch.complex(*h.chunk(2)), b @ x.to(C128))
    torch.testing.assert_close(real_part(c) @ h, (c @ (b @ x.to(C128))).real)
