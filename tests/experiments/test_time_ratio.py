"""Times over times."""

from __future__ import annotations

import time

from ostinato.experiments.time_ratio import time_ratio


def test_sleeping_longer_takes_longer():
    calls = []

    def sleep(seconds):
        calls.append(seconds)
        time.sleep(seconds)

    found = time_ratio(lambda: sleep(0.02), lambda: sleep(0.001), 2)
    assert 2 < found < 40
    assert calls == [0.02, 0.001] * 3
