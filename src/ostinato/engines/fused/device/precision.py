"""How exactly products multiply on a device: what torch's settings allow, or what a step says.

A step in float32 multiplies as torch's own products may: "ieee" in float32, "tf32x3" each factor
taken apart so that three products of the matrix units are nearly as exact, "tf32" rounded to ten
bits. A step whose products are bfloat16 or float16, since its weights are or autocast says so,
rounds the factors to that and nothing else: sums, states and all that is pointwise stay float32,
where torch rounds every operation.
"""

from __future__ import annotations

import torch

from ostinato.engines.fused.lower import Core

_ALLOWED = {"highest": "ieee", "high": "tf32x3", "medium": "tf32"}
LOW = {torch.bfloat16: "bf16", torch.float16: "fp16"}
STORED = {name: dtype for dtype, name in LOW.items()}


def precision(core: Core, real: torch.dtype) -> str:
    """Of the products of a core, now.

    Args:
        core: the core.
        real: what the kernel computes in.
    """
    if core.factors in LOW:
        return LOW[core.factors]
    return "ieee" if real == torch.float64 else _float32()


def _float32() -> str:
    try:
        allowed = _ALLOWED[torch.get_float32_matmul_precision()]
    except RuntimeError:
        # It was said by torch.backends, which knows two answers, and not by the older function.
        allowed = "ieee"
    if allowed == "ieee" and torch.backends.cuda.matmul.fp32_precision == "tf32":
        return "tf32"
    return allowed
