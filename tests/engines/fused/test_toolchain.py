"""Compilers that are missing, wrong, slow or killed, and caches that are in any condition."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import EngineError
from ostinato.engines.fused import toolchain

SOURCE = 'extern "C" int answer() { return 42; }\n'
needs_compiler = pytest.mark.skipif(toolchain.find_compiler() is None, reason="no C++ compiler")


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """A cache of its own, and no memory of what compiler there was."""
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OSTINATO_CXXFLAGS", raising=False)
    forget()
    yield
    forget()


def forget():
    toolchain.find_compiler.cache_clear()
    toolchain._version.cache_clear()


def use(monkeypatch, command):
    monkeypatch.setenv("CXX", str(command))
    forget()


def script(path, body):
    """A compiler made of a few lines of shell."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def objects(folder):
    return sorted(folder.glob("*.so"))


def leftovers(folder):
    return [each.name for each in folder.iterdir() if each.suffix != ".so"]


@needs_compiler
def test_an_object_is_compiled_once(tmp_path, monkeypatch):
    assert toolchain.load(SOURCE).answer() == 42
    (path,) = objects(tmp_path / "cache")
    monkeypatch.setattr(toolchain, "_compile", None)
    assert toolchain.load(SOURCE).answer() == 42
    assert objects(tmp_path / "cache") == [path]
    assert not leftovers(tmp_path / "cache")
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


@needs_compiler
def test_source_flags_compiler_and_processor_are_all_in_the_key(tmp_path, monkeypatch):
    compiler = toolchain.find_compiler()
    keys = [toolchain._key(*args) for args in [
        (SOURCE, compiler, ("-O1",)), (SOURCE + " ", compiler, ("-O1",)),
        (SOURCE, compiler, ("-O2",)), (SOURCE, (*compiler, "-g"), ("-O1",)),
    ]]  # fmt: skip
    monkeypatch.setattr(toolchain, "_cpu", lambda: "another processor")
    keys.append(toolchain._key(SOURCE, compiler, ("-O1",)))
    assert len(set(keys)) == len(keys)


@needs_compiler
def test_flags_of_the_environment_are_added_and_part_of_the_key(monkeypatch, tmp_path):
    source = 'extern "C" int answer() { return ANSWER; }\n'
    for value in (1, 2):
        monkeypatch.setenv("OSTINATO_CXXFLAGS", f"-DANSWER={value} -DTEXT='a b'")
        assert toolchain.load(source).answer() == value
    assert len(objects(tmp_path / "cache")) == 2


@pytest.mark.parametrize("variables", [{"CXX": "no-such-compiler"}, {"CXX": "", "PATH": "/none"}])
def test_without_a_compiler_auto_runs_and_explain_says_why(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    forget()
    rnn, x = ost.RNN(make_cell("LayerNormGRU", 3, 4)), torch.randn(2, 5, 3)
    y, _ = rnn(x)
    torch.testing.assert_close(y, ost.RNN(rnn.cell, "reference")(x)[0])
    assert "no C++ compiler was found" in str(ost.explain(rnn, x))
    with pytest.raises(EngineError, match=r"no C\+\+ compiler was found .*install one"):
        ost.RNN(rnn.cell, "fused")(x)
    with pytest.raises(EngineError, match=r"no C\+\+ compiler"):
        toolchain.load(SOURCE)


@pytest.mark.parametrize("value", ["   ", "'unclosed", "/"])
def test_an_odd_compiler_variable_is_no_crash(monkeypatch, value):
    use(monkeypatch, value)
    found = toolchain.find_compiler()
    assert (found is None) == bool(value.strip())


def test_ziglang_is_the_last_resort(monkeypatch):
    monkeypatch.setenv("PATH", "/none")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: name == "ziglang")
    forget()
    assert toolchain.find_compiler() == (sys.executable, "-m", "ziglang", "c++")


@needs_compiler
def test_words_after_the_compiler_are_passed_on(monkeypatch):
    use(monkeypatch, f"{toolchain.find_compiler()[0]} -DANSWER=7")
    assert toolchain.load('extern "C" int answer() { return ANSWER; }').answer() == 7


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'unit.cpp:3: error: no such thing' >&2; exit 1", "failed: unit.cpp:3: error: no s"),
        ("exit 3", "failed: no message"),
        ("printf '\\377 error \\376' >&2; exit 1", "failed: .* error"),
        ("[ \"$1\" = --version ] || kill -9 $$", "killed by signal 9"),
        ("exit 0", "could not be compiled and loaded"),
        ("for last; do :; done; [ \"$1\" = --version ] || echo junk > $last", "and loaded"),
    ],
)  # fmt: skip
def test_a_compiler_that_fails_is_an_engine_error(monkeypatch, tmp_path, body, words):
    use(monkeypatch, script(tmp_path / "cxx", body))
    with pytest.raises(EngineError, match=words):
        toolchain.load(SOURCE)
    assert not leftovers(tmp_path / "cache")


def test_auto_goes_on_when_the_compiler_fails(monkeypatch, tmp_path):
    use(monkeypatch, script(tmp_path / "cxx", "echo 'error: out of paper' >&2; exit 1"))
    rnn, x = ost.RNN(make_cell("LayerNormGRU", 3, 4)), torch.randn(2, 5, 3)
    assert rnn(x)[0].shape == (2, 5, 4)
    assert "error: out of paper" in str(ost.explain(rnn, x))


@pytest.mark.parametrize("when", ["--version", "compile"])
def test_a_compiler_that_hangs_is_stopped_with_its_children(monkeypatch, tmp_path, when):
    marker = tmp_path / "alive"
    test = '[ "$1" = --version ]' if when == "--version" else '[ "$1" != --version ]'
    # The child holds the pipes, as the passes behind a compiler driver do.
    use(monkeypatch, script(tmp_path / "cxx", f"{test} && (sleep 1; touch {marker}) ; exit 0"))
    monkeypatch.setattr(toolchain, "_TIMEOUT", 0.3)
    start = time.monotonic()
    with pytest.raises(EngineError, match="did not end within"):
        toolchain.load(SOURCE)
    assert time.monotonic() - start < 0.9
    assert not leftovers(tmp_path / "cache")
    time.sleep(max(0, start + 1.3 - time.monotonic()))
    assert not marker.exists()


@needs_compiler
@pytest.mark.parametrize("place", ["replace", "write"])
def test_a_full_disk_is_an_engine_error_and_leaves_nothing(monkeypatch, tmp_path, place):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    if place == "replace":
        monkeypatch.setattr(toolchain.os, "replace", full)
    else:
        monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(EngineError, match="No space left on device"):
        toolchain.load(SOURCE)
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.undo()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_cache_that_others_can_write_is_refused(tmp_path, mode):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    with pytest.raises(EngineError, match=r"can be written by others.*chmod it to 700"):
        toolchain.cache_folder()


def test_a_cache_of_somebody_else_is_refused(tmp_path, monkeypatch):
    toolchain.cache_folder()
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    if (tmp_path / "cache").stat().st_uid == 0:
        # What the administrator provides is trusted.
        os.chown(tmp_path / "cache", 4343, -1)
    with pytest.raises(EngineError, match="can be written by others"):
        toolchain.cache_folder()


def test_a_cache_that_cannot_be_written_is_an_engine_error(monkeypatch):
    monkeypatch.setattr(toolchain.os, "access", lambda *_: False)
    with pytest.raises(EngineError, match="cannot be written; set OSTINATO_CACHE"):
        toolchain.cache_folder()


def test_a_cache_that_cannot_be_made_is_an_engine_error(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(EngineError, match=r"cannot be made.*set OSTINATO_CACHE"):
        toolchain.cache_folder()


def test_where_the_cache_lies(monkeypatch, tmp_path):
    assert toolchain.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("OSTINATO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert toolchain.cache_folder() == tmp_path / "xdg" / "ostinato"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert toolchain.cache_folder() == tmp_path / "home" / ".cache" / "ostinato"
    monkeypatch.setenv("OSTINATO_CACHE", "~/mine")
    assert toolchain.cache_folder() == tmp_path / "home" / "mine"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", staticmethod(homeless))
    assert toolchain.cache_folder()
    monkeypatch.delenv("OSTINATO_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(EngineError, match=r"home directory.; set OSTINATO_CACHE"):
        toolchain.cache_folder()


@needs_compiler
@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "zeros", "flipped"])
def test_a_damaged_object_is_built_anew(tmp_path, damage):
    toolchain._compile(SOURCE, toolchain.find_compiler(), toolchain.FLAGS, *made(tmp_path))
    (path,) = objects(tmp_path / "cache")
    content = path.read_bytes()
    middle = len(content) // 2
    # The file itself is loaded in this process.
    path.unlink()
    path.write_bytes({
        "empty": b"",
        "garbage": b"not an object",
        "truncated": content[:middle],
        "zeros": content[:middle] + bytes(middle),
        "flipped": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    }[damage])  # fmt: skip
    assert toolchain.load(SOURCE).answer() == 42
    assert [each.read_bytes()[:4] for each in objects(tmp_path / "cache")] == [content[:4]]


def made(tmp_path):
    """The folder of the cache, and the key of the source."""
    compiler = toolchain.find_compiler()
    return toolchain.cache_folder(), toolchain._key(SOURCE, compiler, toolchain.FLAGS)


@needs_compiler
def test_processes_may_compile_the_same_source_at_once(tmp_path):
    code = f"from ostinato.engines.fused.toolchain import load\nprint(load({SOURCE!r}).answer())"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == ["42"] * 3
    assert not leftovers(tmp_path / "cache")
    assert isinstance(toolchain.load(SOURCE), ctypes.CDLL)


@needs_compiler
def test_the_key_of_a_headers_change_differs(monkeypatch):
    compiler = toolchain.find_compiler()
    before = toolchain._key(SOURCE, compiler, ())
    monkeypatch.setattr(toolchain, "_headers", lambda: "other headers")
    assert toolchain._key(SOURCE, compiler, ()) != before
