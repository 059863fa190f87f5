import gzip

import numpy as np
import pytest

from ostinato.core.errors import DataError
from ostinato.tasks.idx import find_idx, read_idx

DATA = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = bytes([0, 0, 8, 3]) + np.array(DATA.shape, ">u4").tobytes() + DATA.tobytes()


@pytest.mark.parametrize(("name", "pack"), [("a-idx3-ubyte", bytes), ("b.gz", gzip.compress)])
def test_reads_raw_and_packed(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(CONTENT))
    assert np.array_equal(read_idx(tmp_path / name, 3), DATA)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes and begins with nothing"),
        (CONTENT[:10], "10 bytes"),
        (CONTENT[:-1], r"\(2, 3, 4\), but 23 bytes"),
        (CONTENT + b"x", "25 bytes"),
        (b"PNG" + CONTENT, "begins with 504e47"),
    ],
)
def test_damage_is_described(tmp_path, content, message):
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "broken", 3)


def test_both_spellings_are_found(tmp_path):
    (tmp_path / "train-images.idx3-ubyte").touch()
    (tmp_path / "t10k-images-idx3-ubyte.gz").touch()
    assert find_idx(tmp_path, "train-images").name == "train-images.idx3-ubyte"
    assert find_idx(tmp_path, "t10k-images").name == "t10k-images-idx3-ubyte.gz"
    with pytest.raises(DataError, match="no train-labels"):
        find_idx(tmp_path, "train-labels")
