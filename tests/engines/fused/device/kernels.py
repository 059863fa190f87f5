"""Kernels of small steps `(h, x) -> new h`, to be interpreted on the CPU."""

from __future__ import annotations

import torch

from ostinato.engines.fused.device.kernel import DeviceKernel

from ..steps import lowered


def kernel(step, dtype=torch.float64):
    return DeviceKernel(lowered(step)[0], dtype, "cpu")


def sources(step, precision="ieee"):
    return kernel(step).sources(precision)
