"""Into how many parts a device should cut the time of a recurrence.

Where lanes are many they fill the device, and a loop over all steps reads A and b once. Where they
are few, the loop waits for memory; parts of the time side by side wait together, and pay with a
second look at A and b, which joins the steps of each part, and with two more kernels.
"""

from __future__ import annotations

from ostinato.engines.rates import rates

# Steps that are read together, about.
TOGETHER = 4
# Steps of the shortest part, whose multiples all are, so that no step is left to be read alone.
_LEAST = 16
# Lanes that a device holds at once; and parts that a launch may have.
_LANES, _PARTS = 2**18, 2**15


def estimates(steps: int, lanes: int, bytes_read: int, bytes_written: int) -> dict[int, float]:
    """Microseconds by the number of parts, rising; 1: one loop.

    Args:
        steps: T.
        lanes: units that run side by side.
        bytes_read: by a lane at a step.
        bytes_written: by a lane at a step.
    """
    found = {1: _pass(steps, lanes, bytes_read + bytes_written)}
    parts = 2
    while parts * _LEAST <= steps and parts * lanes <= _LANES and parts <= _PARTS:
        size = length(steps, parts)
        found[parts] = (
            _pass(size, lanes * -(-steps // size), bytes_read)
            + _pass(-(-steps // size), lanes, bytes_read)
            + _pass(size, lanes * -(-steps // size), bytes_read + bytes_written)
            + 2 * rates().following
        )
        parts *= 2
    return dict(sorted(found.items(), key=lambda each: each[1]))


def length(steps: int, parts: int) -> int:
    """Steps of a part."""
    return steps if parts == 1 else _LEAST * -(-steps // (parts * _LEAST))


def chunk(steps: int, lanes: int, bytes_read: int, bytes_written: int) -> int:
    """Steps of a part, by the estimate; T where one loop is done first."""
    return length(steps, next(iter(estimates(steps, lanes, bytes_read, bytes_written))))


def _pass(steps: int, lanes: int, size: int) -> float:
    """How long a loop over some steps takes: it waits, or it fills the memory."""
    return max(steps / TOGETHER * rates().answer, steps * lanes * size / rates().bandwidth)
