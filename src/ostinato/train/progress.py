"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import TextIO

from ostinato.core.errors import MissingExtraError
from ostinato.core.extras import extra

_LINE_EVERY = 10.0  # seconds between plain lines
_SPEED_OVER = 10.0  # seconds over which the throughput is measured


def progress(total: int | None, done: int = 0, stream: TextIO | None = None) -> Progress:
    """A bar if `stream` is a terminal and rich is installed, else plain lines.

    Args:
        total: steps of the run, None while they are not known.
        done: steps done before.
        stream: where to write; None: standard error.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        try:
            return Bar(total, done, stream)
        except MissingExtraError:
            pass
    return Lines(total, done, stream)


class Progress(ABC):
    """Shows the progress of a run.

    Args:
        total: steps of the run, None while they are not known.
        done: steps done before.
        stream: where to write.
    """

    def __init__(self, total: int | None, done: int, stream: TextIO):
        self.total, self.done, self.stream = total, done, stream
        self._began = time.monotonic()
        self._recent: deque[tuple[float, int, float]] = deque([(self._began, done, 0.0)])

    def update(self, step: int, loss: float, learning_rate: float, items: float) -> None:
        """Show that `step` steps are done.

        Args:
            step: steps done.
            loss: of the last step.
            learning_rate: of the last step.
            items: how many targets the last step learned from.
        """
        self.advance(step, items, f"loss {loss:.4f}  lr {learning_rate:.2e}", "items")

    def advance(self, step: int, items: float, text: str, unit: str) -> None:
        """Show that `step` steps are done, with anything that there is to say.

        Args:
            step: steps done.
            items: what the throughput is counted in, of the last step.
            text: how it goes.
            unit: the plural of an item.
        """
        self.done = step
        now, total = time.monotonic(), self._recent[-1][2] + items
        self._recent.append((now, step, total))
        while len(self._recent) > 2 and self._recent[0][0] < now - _SPEED_OVER:
            self._recent.popleft()
        self.show(f"{text}  {self.items_per_second:,.0f} {unit}/s")

    @property
    def items_per_second(self) -> float:
        """The throughput of the last seconds, evaluations included."""
        first, last = self._recent[0], self._recent[-1]
        return (last[2] - first[2]) / max(1e-9, last[0] - first[0])

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float | None:
        """Estimated seconds to the end; None while the steps are not known."""
        first, last = self._recent[0], self._recent[-1]
        if self.total is None or last[1] == first[1]:
            return None
        return (self.total - last[1]) * (last[0] - first[0]) / (last[1] - first[1])

    @abstractmethod
    def show(self, text: str) -> None:
        """Show the state after a step."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Print a line that stays."""

    def close(self) -> None:  # noqa: B027 (plain lines leave nothing behind)
        """Leave the terminal as it was."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Lines(Progress):
    """One line every ten seconds: for files and for the logs of batch systems."""

    _shown = -_LINE_EVERY

    def show(self, text: str) -> None:
        """Print a line if the last one is some time ago."""
        if self.elapsed - self._shown >= _LINE_EVERY:
            self._shown = self.elapsed
            self.note(f"step {self.done}/{self.total or '?'}  {text}  {self._times()}")

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.stream, flush=True)

    def _times(self) -> str:
        left = "" if self.left is None else f", {clock(self.left)} left"
        return f"{clock(self.elapsed)} elapsed{left}"


class Bar(Progress):
    """A bar that moves.

    Raises:
        MissingExtraError: without rich.
    """

    def __init__(self, total: int | None, done: int, stream: TextIO):
        super().__init__(total, done, stream)
        console = extra("rich.console", "train", "The progress bar").Console(file=stream)
        rich = extra("rich.progress", "train", "The progress bar")
        self._bar = rich.Progress(
            rich.BarColumn(20),
            rich.MofNCompleteColumn(),
            rich.TextColumn("{task.description}"),
            rich.TextColumn("{task.fields[times]}"),
            console=console,
        )
        self._task = self._bar.add_task("", total=total, completed=done, times="")
        self._bar.start()

    def show(self, text: str) -> None:
        """Move the bar."""
        left = "" if self.left is None else f" < {clock(self.left)}"
        self._bar.update(
            self._task,
            completed=self.done,
            total=self.total,
            description=text,
            times=clock(self.elapsed) + left,
        )

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Draw the bar a last time."""
        self._bar.stop()


def clock(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
