"""Products of matrices, compiled once for each precision and used by all generated code."""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from torch import Tensor

from ostinato.engines.fused.toolchain import load

REALS = {torch.float32: "float", torch.float64: "double"}


@cache
def routines(dtype: torch.dtype) -> ctypes.CDLL:
    """`matmul`, `outer` and `register_bytes` of matmul.h, for float32 or float64."""
    real = REALS[dtype]
    single = int(real == "float")
    library = load(f'#define SINGLE {single}\ntypedef {real} real;\n#include "matmul.h"\n')
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    library.matmul.argtypes = (
        *(integer, integer, integer, pointer, integer),
        *(pointer, pointer, integer, pointer, integer),
    )
    library.matmul.restype = None
    library.outer.argtypes = (
        *(integer, integer, integer, integer),
        *(pointer, integer, integer, pointer, integer, integer, pointer, integer),
    )
    library.outer.restype = None
    library.pack.argtypes = (integer, integer, pointer, integer, integer, pointer)
    library.pack.restype = None
    library.register_bytes.restype = integer
    return library


def connect(library: ctypes.CDLL, dtype: torch.dtype) -> None:
    """Tell a generated unit where the routines are."""
    for name in ("matmul", "outer"):
        address = ctypes.cast(getattr(routines(dtype), name), ctypes.c_void_p)
        ctypes.c_void_p.in_dll(library, name).value = address.value


def pack(matrix: Tensor) -> Tensor:
    """(k, n) or (K, k, n) as panels (…, n/panel, k, panel), the last one filled with zeros."""
    library, size = routines(matrix.dtype), matrix.element_size()
    panel = 4 * library.register_bytes() // size
    *heads, k, n = matrix.shape
    panels = matrix.new_empty(*heads, -(-n // panel), k, panel)
    for head in range(heads[0] if heads else 1):
        begin = matrix.data_ptr() + (head * matrix.stride(0) * size if heads else 0)
        place = panels.data_ptr() + (head * panels.stride(0) * size if heads else 0)
        library.pack(k, n, begin, matrix.stride(-2), matrix.stride(-1), place)
    return panels
