"""Some steps that are recorded once and then replayed: to launch each of them takes longer.

A recording knows addresses, not tensors, so it has tensors of its own, and steps are copied into
them and out again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ostinato.engines.fused.device.frame import Frame
from ostinato.engines.fused.device.port import Port
from ostinato.engines.fused.program import Program

# Steps of a window, an even number, since states change places at every step; fewer where they
# would take more bytes than this.
STEPS = 32
_MOST_BYTES = 2**27


class Window:
    """A number of steps.

    Args:
        program: what is computed at every step.
        like: a frame of a call with as many rows, in the same direction.
        advance: runs some steps of a frame.
    """

    def __init__(
        self, program: Program, like: Frame, advance: Callable[[Frame, int, int], None]
    ) -> None:
        self.program, self.steps = program, steps_of(like)
        pairs = zip(program.advancing, program.advancing.values(), strict=True)
        self._advancing = {_port(program.read, a): _port(program.results, b) for a, b in pairs}
        fixed = {name: torch.empty_like(each) for name, each in like.fixed.items()}
        states = tuple((torch.empty_like(a), torch.empty_like(b)) for a, b in like.states)
        self.frame = Frame(like.rows, self._sequences(like), states, fixed)
        self._replay = record(lambda: advance(self.frame, 0, self.steps), like)

    def _sequences(self, like: Frame) -> dict[str, tuple[Port, int]]:
        """Room for the steps; a leaf and its value after the step lie one step apart."""
        found: dict[str, tuple[Port, int]] = {}
        for name, (port, size) in like.sequences.items():
            if name in found:
                continue
            room = port.tensor.new_empty((self.steps + 1, like.rows, size))
            time = -room.stride(0) if like.downwards else room.stride(0)
            order = (-1, -2) if like.downwards else (0, 1)
            found[name] = Port(room[order[0]], time, size), size
            if name in self._advancing:
                found[self._advancing[name]] = Port(room[order[1]], time, size), size
        return found

    def begin(self, call: Frame) -> None:
        """Take the constants of a call."""
        for name in self.program.constants:
            self.frame.fixed[name].copy_(call.fixed[name])

    def run(self, call: Frame, first: int) -> None:
        """Some steps of a call."""
        own = self.frame
        for name in self.program.read:
            count = 1 if name in self._advancing else self.steps
            own.span(name, 0, count).copy_(call.span(name, first, count))
        for mine, theirs in zip(own.states, call.states, strict=True):
            mine[0].copy_(theirs[0])
        self._replay()
        for name in self.program.results:
            call.span(name, first, self.steps).copy_(own.span(name, 0, self.steps))
        for mine, theirs in zip(own.states, call.states, strict=True):
            theirs[0].copy_(mine[0])


def steps_of(frame: Frame) -> int:
    """Steps of a window."""
    width = sum(size for _, size in frame.sequences.values())
    item = next(iter(frame.sequences.values()))[0].tensor.element_size()
    most = _MOST_BYTES // (frame.rows * width * item)
    return max(2, min(STEPS, most - most % 2))


def record(function: Callable[[], None], like: Frame) -> Callable[[], Any]:
    """What does the same again: on a device a graph of its kernels, which is not run yet."""
    if not next(iter(like.sequences.values()))[0].tensor.is_cuda:
        return function
    # Kernels are compiled when they first run, which cannot be recorded.
    function()
    graph = torch.cuda.CUDAGraph()
    # Other threads, as those that load data, may go on using the device.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        function()
    return graph.replay


def _port(ports: dict[str, Any], value: Any) -> str:
    return next(port for port, found in ports.items() if found is value)
