"""Memory that is given out again, and never twice at once."""

from __future__ import annotations

from threading import Thread

import pytest
import torch

from ostinato.engines.fused import room as module
from ostinato.engines.fused.room import room, room_like

SHAPE = (2**20, 2)


@pytest.fixture(autouse=True)
def _own_pool(monkeypatch):
    monkeypatch.setattr(module, "_pool", type(module._pool)())


def test_what_is_free_is_given_out_again():
    first = room(SHAPE, torch.float32)
    place = first.data_ptr()
    del first
    again = room(SHAPE, torch.float32)
    assert again.data_ptr() == place
    assert (again.shape, again.dtype) == (torch.Size(SHAPE), torch.float32)


def test_what_any_view_still_shows_is_not():
    first = room(SHAPE, torch.float64)
    part, place = first[1:, 0], first.data_ptr()
    array = first[:3].numpy()
    del first
    assert room(SHAPE, torch.float64).data_ptr() != place
    del part
    assert room(SHAPE, torch.float64).data_ptr() != place
    assert array.shape == (3, 2)


def test_other_sizes_get_other_memory():
    assert room(SHAPE, torch.float32).data_ptr() % 8 == 0
    assert room((3,), torch.float64).shape == (3,)
    assert len(module._pool) == 1
    room((2**22,), torch.float64)
    assert len(module._pool) == 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128])
@pytest.mark.parametrize("rows", [3, 2**20])
def test_a_layout_is_kept(dtype, rows):
    layout = torch.empty(rows, 2, 1, dtype=dtype, device="meta").transpose(0, 1)
    found = room_like(layout)
    assert (found.shape, found.stride()) == (layout.shape, layout.stride())
    assert (found.dtype, found.device.type) == (dtype, "cpu")


def test_the_pool_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 2**24)
    held = [room(SHAPE, torch.float32) for _ in range(5)]
    assert sum(each.nbytes for each in module._pool) <= 2**24
    assert len({each.data_ptr() for each in held}) == 5


def test_threads_get_memory_of_their_own():
    found = []

    def work():
        for i in range(50):
            each = room(SHAPE, torch.float32)
            each[-1, -1] = i
            found.append(bool(each[-1, -1] == i))

    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 200
    assert all(found)
