from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError, ShapeError


def made():
    """q, k, v, g and what is erased; 2 rows, 11 steps, 3 heads, 4 keys, 5 values."""
    q, k, v = torch.randn(2, 11, 3, 4), torch.randn(2, 11, 3, 4), torch.randn(2, 11, 3, 5)
    return q, k, v, -torch.rand(2, 11, 3), k


def test_shapes_that_do_not_fit():
    q, k, v, g, a = made()
    with pytest.raises(ShapeError, match=r"q, k and v must be \(B, T, H, K\)"):
        ost.matrix_scan(q[0], k[0], v[0])
    with pytest.raises(ShapeError, match=r"k must be \(B, T·n, H, K\)"):
        ost.matrix_scan(q, k[:, :-1], v[:, :-1])
    with pytest.raises(ShapeError, match="erase must be like k"):
        ost.matrix_scan(q, k, v, g, a[..., :2])
    with pytest.raises(ShapeError, match=r"g must be \[2, 11, 3\], or with the keys"):
        ost.matrix_scan(q, k, v, g[:, 1:])
    with pytest.raises(ShapeError, match=r"initial_state must be \[2, 3, 4, 5\]"):
        ost.matrix_scan(q, k, v, initial_state=torch.zeros(2, 3, 5, 4))


@pytest.mark.parametrize("name", ["q", "k", "v", "g", "erase", "beta", "initial_state"])
@pytest.mark.parametrize("kind", ["meta", torch.int64, torch.complex64])
def test_another_device_or_no_real_numbers(name, kind):
    q, k, v, g, a = made()
    given = {"q": q, "k": k, "v": v, "g": g, "erase": a, "beta": torch.rand(2, 11, 3)}
    given["initial_state"] = torch.zeros(2, 3, 4, 5)
    given[name] = given[name].to(kind)
    with pytest.raises(ShapeError, match="must hold real numbers on the device of q"):
        ost.matrix_scan(**given)


@pytest.mark.parametrize("size", [48, 0, -2, 2.0, True, "16"])
def test_a_chunk_is_a_power_of_2(size):
    with pytest.raises(ArgumentError, match="power of 2; got"):
        ost.matrix_scan(*made(), chunk_size=size)


@pytest.mark.parametrize("borders", [[0, 7, 11], torch.tensor([0.0, 11.0]), torch.tensor(11)])
def test_borders_are_a_tensor_of_integers(borders):
    q, k, v, _, _ = (x[:1] for x in made())
    with pytest.raises(ShapeError, match=r"cu_seqlens must be a tensor \(N\+1,\) of integers"):
        ost.matrix_scan(q, k, v, cu_seqlens=borders)


def test_a_read_has_one_of_two_names():
    with pytest.raises(ArgumentError, match="Did you mean 'exclusive'"):
        ost.matrix_scan(*made(), read="exclusiv")
