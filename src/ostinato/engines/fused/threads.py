"""Threads for loops: those of OpenMP, which torch uses, or a pool of one's own without it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch

from ostinato.core.errors import EngineError
from ostinato.engines.fused.toolchain import FLAGS, HEADERS, load


@cache
def openmp() -> ctypes.CDLL | None:
    """`by_rows` and `by_columns` of threads.cpp; None where the compiler has no OpenMP."""
    try:
        source = (HEADERS / "threads.cpp").read_text(encoding="utf-8")
        library = load(source, (*FLAGS, "-fopenmp"))
    except EngineError:
        return None
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    library.by_rows.argtypes = [pointer, integer, pointer, pointer, integer, pointer]
    library.by_columns.argtypes = [pointer, integer, pointer, pointer, integer, integer, pointer]
    library.by_rows.restype = library.by_columns.restype = None
    return library


def in_threads(rows: int, least: int, part: Callable[[int, int, int], None]) -> None:
    """Cut rows among as many threads as torch uses: `part(thread, begin, end)`.

    Args:
        rows: how many there are.
        least: rows that are worth a thread.
        part: does the work; it must let go of the interpreter's lock to gain anything.
    """
    borders = share(rows, least)
    if len(borders) == 2:
        part(0, 0, rows)
    else:
        pool = _pool(len(borders) - 1)
        list(pool.map(part, range(len(borders) - 1), borders[:-1], borders[1:]))


def in_parts(function: Any, problem: ctypes.Structure, shared: int, least: int) -> None:
    """Call `function(&problem, …, begin, end, …)` in threads, each for a part of what they share.

    Args:
        function: in C, with the arguments of generated functions.
        problem: what it is to do.
        shared: how much there is to be shared.
        least: how much is worth a thread.
    """
    borders, held = share(shared, least), (ctypes.c_void_p * 1)(ctypes.addressof(problem))
    if len(borders) > 2 and (library := openmp()):
        count = len(borders) - 1
        ports = (ctypes.c_void_p * count)(*[ctypes.addressof(held)] * count)
        cuts = (ctypes.c_int64 * len(borders))(*borders)
        library.by_rows(function, count, ports, None, 0, cuts)
    else:
        in_threads(shared, least, lambda i, a, b: function(held, None, 0, a, b, None, i))


def share(rows: int, least: int) -> list[int]:
    """Where the rows of each thread begin, and the end."""
    count = max(1, min(torch.get_num_threads(), rows // least))
    return [rows * i // count for i in range(count + 1)]


def team() -> Any:
    """What a team of threads meets at; `Team` in team.h."""
    return (ctypes.c_int64 * 24)()


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="ostinato")
