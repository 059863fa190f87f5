"""Limits of a device."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ostinato.engines.fused.device import target as module
from ostinato.engines.fused.device.target import SM_90, target


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device_an_h100():
    assert target() is SM_90
    assert SM_90.warps == 8


def test_a_device_is_asked(monkeypatch):
    found = SimpleNamespace(
        name="a device",
        multi_processor_count=20,
        shared_memory_per_block_optin=100_000,
        regs_per_multiprocessor=32_768,
        max_threads_per_multi_processor=1024,
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: found)
    module._target.cache_clear()
    assert target() == module.Target("a device", 20, 100_000, 32_768, 1024)
    assert target().warps == 4
    module._target.cache_clear()
