"""Into how many parts a device should cut the time of a recurrence.

Where lanes are many they fill the device, and a loop over all steps reads A and b once. Where they
are few, the loop waits for memory; parts of the time side by side wait together, and pay with a
second look at A and b, which joins the steps of each part, and with two more kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

# Of a large device, in microseconds and bytes: until memory answers, until a further kernel runs,
# and what memory moves at most. From what is known of such devices; not measured on one.
_WAIT, _LAUNCH, _RATE = 0.7, 8.0, 2.5e6
# Steps that are read together, about; and steps of the shortest part, whose multiples all are, so
# that no step is left to be read alone.
_TOGETHER, _LEAST = 4, 16
# Lanes that a device holds at once; and parts that a launch may have.
_LANES, _PARTS = 2**18, 2**15


def chunk(steps: int, lanes: int, bytes_read: int, bytes_written: int) -> int:
    """Steps of a part; T where one loop is done first.

    Args:
        steps: T.
        lanes: units that run side by side.
        bytes_read: by a lane at a step.
        bytes_written: by a lane at a step.
    """
    whole = _pass(steps, lanes, bytes_read + bytes_written)
    estimates = {
        size: _pass(size, lanes * -(-steps // size), bytes_read)
        + _pass(-(-steps // size), lanes, bytes_read)
        + _pass(size, lanes * -(-steps // size), bytes_read + bytes_written)
        + 2 * _LAUNCH
        for size in _sizes(steps, lanes)
    }
    best = min(estimates, key=estimates.__getitem__, default=steps)
    return best if estimates.get(best, whole) < whole else steps


def _sizes(steps: int, lanes: int) -> Iterator[int]:
    """Lengths of parts that the device has room for."""
    parts = 2
    while parts * _LEAST <= steps and parts * lanes <= _LANES and parts <= _PARTS:
        yield _LEAST * -(-steps // (parts * _LEAST))
        parts *= 2


def _pass(steps: int, lanes: int, size: int) -> float:
    """How long a loop over some steps takes, in microseconds: it waits, or it fills the memory."""
    return max(steps / _TOGETHER * _WAIT, steps * lanes * size / _RATE)
