"""The cache on disk under faults that are real: no room, no folder, killed processes, company."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.engines.fused import toolchain

from .kernels import needs_compiler

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache of its own."""
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OSTINATO_CXXFLAGS", "-O0")
    return tmp_path / "cache"


def answer(number):
    """The source of a function that returns a number."""
    return f'extern "C" int answer() {{ return {number}; }}\n'


def load(number):
    found = toolchain.load(answer(number)).answer()
    assert found == number


def objects(folder):
    return {path.name for path in folder.glob("*.so")}


def age(folder, names, seconds):
    for name in names:
        then = (folder / name).stat().st_mtime - seconds
        os.utime(folder / name, (then, then))


def started(code, **options):
    """A process that has `load` of the toolchain."""
    code = f"import os, resource\nfrom ostinato.engines.fused import toolchain\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        **options,
    )  # fmt: skip


def test_objects_that_were_not_loaded_for_long_are_removed(cache, monkeypatch):
    monkeypatch.setattr(toolchain, "_MOST_OBJECTS", 3)
    load(0)
    first = objects(cache)
    load(1)
    second = objects(cache) - first
    load(2)
    age(cache, objects(cache), 100)
    age(cache, second, 100)
    load(0)
    load(3)
    assert len(objects(cache)) == 3
    assert first < objects(cache)
    assert not second & objects(cache)


def test_objects_take_no_more_room_than_is_allowed(cache, monkeypatch):
    load(0)
    (path,) = cache.glob("*.so")
    monkeypatch.setattr(toolchain, "_MOST_BYTES", 5 * path.stat().st_size // 2)
    for number in range(1, 5):
        load(number)
    assert len(objects(cache)) == 2
    monkeypatch.setattr(toolchain, "_MOST_BYTES", 0)
    load(5)
    assert len(objects(cache)) == 1


@pytest.mark.parametrize(
    ("module", "place"), [(os, "utime"), (toolchain, "_digest"), (toolchain.ctypes, "CDLL")]
)
def test_an_object_that_another_process_removes_is_built_anew(cache, monkeypatch, module, place):
    load(0)
    original = getattr(module, place)

    def removed_before(path, *args):
        monkeypatch.setattr(module, place, original)
        shutil.rmtree(cache)
        cache.mkdir(mode=0o700)
        return original(path, *args)

    monkeypatch.setattr(module, place, removed_before)
    load(0)
    assert len(objects(cache)) == 1


def test_an_object_that_another_process_removes_at_once_is_loaded_all_the_same(cache, monkeypatch):
    monkeypatch.setattr(toolchain, "_trim", lambda folder, newest: newest.unlink())
    load(0)
    assert not objects(cache)


def test_processes_that_trim_at_once_do_not_disturb_each_other(cache):
    code = (
        "toolchain._MOST_OBJECTS = 1\n"
        "for i in (1, 2, 3) * 3:\n"
        "    assert toolchain.load(f'extern \"C\" int f() {{ return {i}; }}').f() == i\n"
    )
    processes = [started(code) for _ in range(3)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert not list(cache.glob(".build-*"))


def test_what_a_killed_process_left_is_removed_when_it_is_old(cache, tmp_path, monkeypatch):
    slow = tmp_path / "slow"
    slow.write_text('#!/bin/sh\n[ "$1" = --version ] || exec sleep 2\n')
    slow.chmod(0o755)
    process = started("toolchain.load('')", env=os.environ | {"CXX": str(slow)})
    deadline = time.monotonic() + 30
    while not list(cache.glob(".build-*/unit.cpp")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    (left,) = cache.glob(".build-*")
    load(0)
    assert left.exists(), "it might belong to a process that is compiling"
    age(cache, [left.name], 2 * toolchain._ABANDONED)
    load(1)
    assert not left.exists()


def test_a_disk_without_room(cache):
    """Files may not grow beyond a few bytes, as if the disk were full."""
    code = (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try: toolchain.load('extern \"C\" int f() { return 1; }')\n"
        "except toolchain.EngineError as error: print('EngineError:', error)\n"
    )
    process = started(code)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert said.startswith("EngineError: ")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("path", ["/proc/no/such/folder", "/dev/null/cache"])
def test_auto_goes_on_without_a_cache_and_says_why(monkeypatch, path):
    monkeypatch.setenv("OSTINATO_CACHE", path)
    rnn, x = ost.RNN(make_cell("LayerNormGRU", 3, 4)), torch.randn(2, 5, 3)
    y, _ = rnn(x)
    torch.testing.assert_close(y, ost.RNN(rnn.cell, "reference")(x)[0])
    assert "cannot be made" in str(ost.explain(rnn, x))
