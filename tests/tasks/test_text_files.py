import gzip
import hashlib
import lzma

import pytest

from ostinato.core.errors import DataError
from ostinato.tasks.text_files import read_text, standard_library, text_files


def test_packed_files_are_unpacked(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("ä\r\n".encode()))
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress("ä\r\n".encode()))
    assert {read_text(file) for file in tmp_path.iterdir()} == {"ä\r\n"}


def test_byte_that_is_not_utf8_is_located(tmp_path):
    file = tmp_path / "latin.txt"
    file.write_bytes(b"one\ntwo\nthr\xe9e\n")
    with pytest.raises(DataError, match=r"latin.txt.*0xe9 at offset 11, line 3"):
        read_text(file)


@pytest.mark.parametrize("name", ["cut.gz", "cut.xz"])
def test_damaged_archive_is_named(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"no archive")
    with pytest.raises(DataError, match=name):
        read_text(file)


def test_truncated_gz_is_named(tmp_path):
    file = tmp_path / "cut.gz"
    file.write_bytes(gzip.compress(b"x" * 1000)[:-10])
    with pytest.raises(DataError, match=r"cut\.gz"):
        read_text(file)


def test_folder_is_searched_by_pattern_in_a_fixed_order(tmp_path):
    (tmp_path / "below").mkdir()
    for name in ("a.txt", "b.txt", "below/c.txt", "d.md"):
        (tmp_path / name).write_text(name)
    files = text_files(str(tmp_path), "**/*.txt")
    assert {file.name for file in files} == {"a.txt", "b.txt", "c.txt"}
    digests = [hashlib.md5(file.name.encode()).digest() for file in files]
    assert digests == sorted(digests)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="no file or folder"):
        text_files(str(tmp_path / "absent"), "*")
    with pytest.raises(DataError, match=r"'\*\.md'"):
        text_files(str(tmp_path), "*.md")


def test_standard_library_is_split_by_file():
    train, valid = standard_library()
    assert not set(train) & set(valid)
    assert all(hashlib.md5(file.name.encode()).digest()[0] < 13 for file in valid)
    assert all(hashlib.md5(file.name.encode()).digest()[0] >= 13 for file in train)
    assert len(train) > 300
    parts = {part for file in train + valid for part in file.parts}
    assert not parts & {"site-packages", "test", "lib2to3", "encodings"}
