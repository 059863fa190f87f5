"""Products of float32 in full inside a scan, whatever torch's settings allow elsewhere.

TF32 and bfloat16 round factors to 10 and 7 bits. A scan multiplies A along the whole sequence, so
that such errors add up, and Newton's method cannot come below them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

# torch's types do not know of the settings of a backend.
_BACKENDS: Any = torch.backends
_SETTINGS = {"cuda": _BACKENDS.cuda.matmul, "cpu": _BACKENDS.mkldnn.matmul}
_ROUNDED = ("tf32", "bf16")


@contextmanager
def full_precision(like: Tensor) -> Iterator[None]:
    """Multiply in full float32 inside the block, also under autocast.

    The setting is torch's own and holds for all threads, so that another one may end it early.

    Args:
        like: has the device and dtype of what is multiplied.
    """
    device = like.device.type
    if like.dtype not in (torch.float32, torch.complex64) or device not in _SETTINGS:
        yield
    elif torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False), full_precision(like):
            yield
    elif (before := _SETTINGS[device].fp32_precision) not in _ROUNDED:
        yield
    else:
        # A setting of all backends stays the one that counts.
        inherited = _BACKENDS.fp32_precision == before
        _SETTINGS[device].fp32_precision = "ieee"
        try:
            yield
        finally:
            _SETTINGS[device].fp32_precision = "none" if inherited else before
