"""Every test starts from one seed, and from one thread, so that results do not depend on order."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def seed():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)
