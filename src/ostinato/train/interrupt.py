"""Ctrl-C, or a polite kill, as a request: the step in progress is finished and saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """While active, the first SIGINT or SIGTERM sets `requested`; the second interrupts at once.

    Attributes:
        requested: whether someone asked to stop.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Interrupt:
        # Python lets the main thread alone handle signals; elsewhere nothing changes.
        self._active = threading.current_thread() is threading.main_thread()
        if self._active:
            self._previous = {s: signal.signal(s, self._request) for s in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._active:
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
