"""Memory for large results.

To touch fresh memory costs as much as to compute what goes there. So it is asked for in large
pages, and what is free again is given out once more before new memory is asked for.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

# From here on numpy asks the system for large pages, which torch does not.
_LARGE = 2**22
# What may be kept, in bytes.
_KEPT = 2**28

_lock = Lock()
_pool: deque[Any] = deque()


def room(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor of arbitrary numbers."""
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE:
        return torch.empty(shape, dtype=dtype)
    with _lock:
        memory = torch.from_numpy(_free(size))
    return memory[:size].view(dtype).view(shape)


def room_like(layout: Tensor) -> Tensor:
    """A tensor of arbitrary numbers on the CPU, with the shape and the strides of a dense one."""
    flat = room((layout.numel(),), layout.dtype)
    return flat.as_strided(layout.shape, layout.stride())


def _free(size: int) -> Any:
    """An array of bytes that no tensor has, from the pool or new."""
    for i in range(len(_pool)):
        if size <= _pool[i].nbytes <= size + size // 8 and _holders(i) == _POOL_ALONE:
            return _pool[i]
    _pool.append(np.empty(size, np.uint8))
    found = _pool[-1]
    while sum(each.nbytes for each in _pool) > _KEPT:
        _pool.popleft()
    return found


def _holders(i: int) -> int:
    return sys.getrefcount(_pool[i])


_pool.append(np.empty(0, np.uint8))
_POOL_ALONE = _holders(0)
_pool.clear()
