from __future__ import annotations

import os

import pytest

from ostinato.core.errors import DataError
from ostinato.train.stream import Stream


def never():
    return False


def test_a_file_comes_in_lines_and_long_lines_in_pieces(tmp_path):
    file = tmp_path / "text"
    file.write_bytes(b"ab\n\ncdefg\nend")
    pieces = list(Stream(file, 0, False, never).pieces(3))
    assert pieces == [b"ab\n", b"\n", b"cde", b"fg\n", b"end"]
    assert list(Stream(file, 4, False, never).pieces(10)) == [b"cdefg\n", b"end"]


def test_what_is_followed_is_read_on_when_it_grows(tmp_path):
    file, asked = tmp_path / "log", []
    file.write_bytes(b"one\ntw")

    def stop():
        asked.append(1)
        if len(asked) == 3:
            with file.open("ab") as end:
                end.write(b"o\nthr")
        return len(asked) > 5

    # The line that has no end yet is left for the next start.
    assert list(Stream(file, 0, True, stop).pieces(99)) == [b"one\n", b"two\n"]


def test_a_pipe_ends_when_it_is_closed(monkeypatch):
    read, write = os.pipe()
    os.write(write, b"one\ntwo")
    os.close(write)
    stream = Stream(None, 0, False, never)
    stream._file = read
    assert list(stream.pieces(99)) == [b"one\n", b"two"]
    os.close(read)


def test_another_file_is_told_apart(tmp_path):
    file = tmp_path / "log"
    file.write_bytes(b"short")
    with pytest.raises(DataError, match="shorter than the 100 bytes"):
        Stream(file, 100, True, never)
    with pytest.raises(DataError, match="cannot be read"):
        Stream(tmp_path / "none", 0, False, never)
