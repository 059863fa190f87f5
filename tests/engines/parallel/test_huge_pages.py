from __future__ import annotations

import mmap

import pytest
import torch

from ostinato.engines.parallel import huge_pages


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_the_tensor_stays_what_it_is(size):
    x = torch.arange(size, dtype=torch.float32)
    pointer = x.data_ptr()
    assert huge_pages.in_huge_pages(x) is x
    assert x.data_ptr() == pointer
    assert x.equal(torch.arange(size, dtype=torch.float32))


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no such call")
def test_whole_pages_inside_of_a_large_tensor_are_named(monkeypatch):
    calls = []
    monkeypatch.setattr(huge_pages, "_advise", lambda: lambda *call: calls.append(call))
    small, large = torch.empty(100), torch.empty(2**21)
    huge_pages.in_huge_pages(small)
    huge_pages.in_huge_pages(large)
    ((first, size, advice),) = calls
    assert first % mmap.PAGESIZE == 0
    assert large.data_ptr() <= first
    assert first + size <= large.data_ptr() + large.nbytes
    assert advice == mmap.MADV_HUGEPAGE


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(huge_pages, "_advise", lambda: None)
    assert huge_pages.in_huge_pages(torch.ones(2**21)).sum() == 2**21
