"""A call that hangs, raises or ends its process leaves the next one a process of its own."""

from __future__ import annotations

import math
import os
import time

import pytest

from ostinato.bench.sweep.worker import Worker
from ostinato.core.errors import EngineError


@pytest.fixture
def worker():
    made = Worker(bool)
    yield made
    made.end()


def test_calls_share_a_process_until_one_does_not_answer(worker):
    assert worker.call(math.sqrt, 4.0, wait=60) == 2
    pid = worker.call(os.getpid, wait=60)
    assert pid == worker.call(os.getpid, wait=60) != os.getpid()
    with pytest.raises(TimeoutError, match="no answer within 0 s"):
        worker.call(time.sleep, 600, wait=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EngineError, match="exit code 3"):
        worker.call(os._exit, 3, wait=60)
    with pytest.raises(EngineError, match=r"math domain|nonnegative"):
        worker.call(math.sqrt, -1.0, wait=60)
    assert worker.call(math.sqrt, 9.0, wait=60) == 3


def test_a_process_that_cannot_be_prepared_says_so():
    made = Worker(os.abort)
    with pytest.raises(EngineError, match="exit code -6"):
        made.call(math.sqrt, 4.0, wait=60)
