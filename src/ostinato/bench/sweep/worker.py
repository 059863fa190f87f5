"""A process beside this one: a call that never ends, or ends its process, costs its time only.

A kernel that hangs cannot be interrupted, and after some errors a device answers a process nothing
more. Both end with the process, and the next call finds a fresh one.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from ostinato.core.errors import EngineError

# Seconds until a process has begun that imports torch, with its device.
_BEGIN = 120.0


class Worker:
    """Calls functions in a process of its own, which is kept from call to call.

    Args:
        prepare: what every such process does first; of a module, or a `partial` of such.
    """

    def __init__(self, prepare: Callable[[], object]) -> None:
        self._prepare = prepare
        # A fork would take over a device that is in use already.
        self._context = get_context("spawn")
        self._process: Any = None
        self._pipe: Any = None

    def call(self, function: Callable[..., Any], *arguments: Any, wait: float) -> Any:
        """What a function returns there.

        Args:
            function: of a module, by which the other process finds it.
            arguments: of the function.
            wait: seconds until the process is ended.

        Raises:
            TimeoutError: if there is no answer in time.
            EngineError: if the function raises, or its process ends.
        """
        try:
            if self._process is None:
                self._begin()
            self._pipe.send((function, arguments))
            if not self._pipe.poll(wait):
                self._kill()
                raise TimeoutError(f"no answer within {wait:.0f} s")
            done, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join(1)
            code = self._process.exitcode
            self._kill()
            raise EngineError(f"its process ended with exit code {code}") from None
        if not done:
            self._kill()
            raise EngineError(answer)
        return answer

    def _begin(self) -> None:
        self._pipe, there = self._context.Pipe()
        self._process = self._context.Process(
            target=_answer, args=(there, self._prepare), daemon=True
        )
        self._process.start()
        there.close()
        # Its imports are on nobody's account.
        if self._pipe.poll(_BEGIN):
            self._pipe.recv()

    def end(self) -> None:
        """Let the process go, if there is one; it is not under way with anything."""
        if self._process is not None:
            self._pipe.close()
            self._process.join(5)
            self._kill()

    def _kill(self) -> None:
        self._process.kill()
        # One that waits for a device may take a moment, or for ever.
        self._process.join(10)
        self._pipe.close()
        self._process = None


def _answer(pipe: Connection, prepare: Callable[[], object]) -> None:
    """Answer calls until one raises or nobody asks any more."""
    prepare()
    pipe.send("here")
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, function(*arguments)))
        # Whatever it is, the process may be of no use behind it.
        except Exception as error:
            pipe.send((False, str(error).strip() or type(error).__name__))
            return
