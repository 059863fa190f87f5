"""Products by columns and by parts."""

from __future__ import annotations

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.multiply import Products
from ostinato.engines.fused.ir import leaf
from ostinato.engines.fused.schedule import view

H, X = leaf("carry", 0, (64,)), leaf("input", 0, (64,))
MATRIX = leaf("const", 0, (64, 256))


def products(*values, precision="tf32x3"):
    return Products(ir.reachable(values), view, precision)


def test_columns_are_cut_where_slices_begin_and_end():
    product = ir.matmul(H, MATRIX)
    made = products(ir.cut(product, 0, 64, 64), ir.cut(product, 0, 128, 128))
    assert made.segments(product) == [(0, 64), (64, 64), (128, 128)]
    assert products(product).segments(product) == [(0, 256)]


def test_a_product_of_joined_values_is_a_sum_of_products():
    joined = ir.concat([H, ir.pointwise("mul", H, X)], 0)
    product = ir.matmul(joined, leaf("const", 1, (128, 64)))
    parts = products(product).parts(product, (0, 64))
    assert [part.size for part in parts] == [64, 64]
    assert "const_1 + 0 +" in parts[0].matrix
    assert f"const_1 + {64 * 64} +" in parts[1].matrix


def test_large_matrices_and_short_sums_are_streamed():
    product = ir.matmul(H, MATRIX)
    exact = products(product, precision="ieee").parts(product, (0, 256))
    assert [part.matrix for part in exact] == [None]
    assert products(product).parts(product, (0, 256))[0].matrix is not None
    short = ir.matmul(leaf("carry", 0, (3,)), leaf("const", 0, (3, 3)))
    assert products(short).parts(short, (0, 3))[0].matrix is None


def test_heads_have_no_columns():
    heads = ir.matmul(leaf("carry", 0, (2, 16)), leaf("const", 0, (2, 16, 16)))
    made = products(heads)
    assert not made.in_columns(heads)
    assert "const_0 + g * 256" in made.head(heads)


def test_parts_of_a_matrix_from_memory_are_counted():
    product = ir.matmul(H, MATRIX)
    made = products(product, precision="ieee")
    assert made.chunks == 0
    made.streamed(product, (0, 64))
    assert made.chunks == 64 // 16
