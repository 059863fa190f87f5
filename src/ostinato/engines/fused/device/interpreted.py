"""Functions of the device's mathematical library, for Triton's interpreter on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime.interpreter import TensorHandle


def _like(x: Any, data: Any, dtype: Any = None) -> Any:
    """A block of the interpreter."""
    dtype = dtype or x.dtype
    return tl.core.tensor(TensorHandle(data, dtype), tl.core.block_type(dtype, list(data.shape)))


def steps(count: Any) -> range:
    """The steps of a loop; `range` itself fails with recent releases of NumPy."""
    return range(int(count.handle.data.item()))


def chunks(start: Any, stop: Any, step: Any, num_stages: Any) -> range:
    """The parts of a sum; nothing is read before its turn here."""
    return range(*(getattr(each, "value", each) for each in (start, stop, step)))


def rounded(x: Any, precision: Any) -> Any:
    """Rounded to the type of factors, in float32: the interpreter cannot multiply bfloat16."""
    low = {"bf16": tl.bfloat16, "fp16": tl.float16}.get(getattr(precision, "value", precision))
    return x if low is None else x.to(low).to(tl.float32)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return _like(x, np.tanh(x.handle.data))


def expm1(x: Any) -> Any:
    """exp(x) − 1."""
    return _like(x, np.expm1(x.handle.data))


def log1p(x: Any) -> Any:
    """log(1 + x)."""
    return _like(x, np.log1p(x.handle.data))


def power(x: Any, exponent: Any) -> Any:
    """x to the power of a number."""
    return _like(x, np.power(x.handle.data, exponent.handle.data))


def largest(x: Any, axis: int) -> Any:
    """The maximum along an axis, which stays; NaN if there is one."""
    return _like(x, np.max(x.handle.data, axis=getattr(axis, "value", axis), keepdims=True))
