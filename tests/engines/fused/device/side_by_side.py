"""Triton's interpreter with programs that wait for one another.

It runs programs one after another, so that one that waits would wait forever. Here each program
has a thread, of which one runs at a time: the next one, when a program looks at a counter.
"""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager
from itertools import product

import triton.language as tl
from triton.runtime import interpreter

# The interpreter looks for the language beside the function that it runs.
LANGUAGE = tl
# Looks at counters in one call of a kernel, before it is taken to be stuck.
MOST_TURNS = 10_000


class Programs:
    """The programs of one call, of which one runs at a time."""

    def __init__(self, function, arguments, grid):
        self.function, self.arguments = function, arguments
        self.places = list(product(*map(range, grid)))
        self.waiting = list(range(len(self.places)))
        self.turns, self.failed = 0, None
        self.turn = threading.Condition()

    def run(self):
        """All of them, to their end."""
        threads = [threading.Thread(target=self._program, args=(i,)) for i in self.waiting[:]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failed is not None:
            raise self.failed

    def _program(self, i):
        try:
            self._await(i)
            self.function(**self.arguments)
        except BaseException as error:
            self.failed = self.failed or error
        with self.turn:
            self.waiting.remove(i)
            self.turn.notify_all()

    def _await(self, i):
        with self.turn:
            self.turn.wait_for(lambda: self.waiting[0] == i or self.failed)
        if self.failed:
            raise RuntimeError("another program failed")
        interpreter.interpreter_builder.grid_idx = self.places[i]

    def look(self):
        """Let the next program run."""
        with self.turn:
            self.turns += 1
            if self.turns > MOST_TURNS:
                self.failed = RuntimeError("the programs wait for one another")
            i = self.waiting.pop(0)
            self.waiting.append(i)
            self.turn.notify_all()
        self._await(i)


@contextmanager
def side_by_side(monkeypatch):
    """Run the programs of every call side by side; yields how many programs calls had."""
    builder, numbers = interpreter.interpreter_builder, []
    rewrite, add = interpreter.InterpretedFunction.rewrite, type(builder).create_atomic_rmw
    running = []

    def rewritten(self):
        function = rewrite(self)

        def together(**arguments):
            if builder.grid_idx == (0, 0, 0):
                running.append(Programs(function, arguments, builder.grid_dim))
                numbers.append(len(running[-1].places))
                running[-1].run()
                running.pop()

        together.__signature__ = inspect.signature(function)
        together.__annotations__ = function.__annotations__
        return function if running else together

    def looked(self, operation, pointer, value, *others):
        if running and not value.data.any():
            running[-1].look()
        return add(self, operation, pointer, value, *others)

    with monkeypatch.context() as patched:
        patched.setattr(interpreter.InterpretedFunction, "rewrite", rewritten)
        patched.setattr(type(builder), "create_atomic_rmw", looked)
        yield numbers
