import gzip

import numpy as np
import pytest

from ostinato.core.errors import ArgumentError, DataError
from ostinato.tasks.table import read_table

CSV = "date,load,price\n2020-01-01,1.5,10\n2020-01-02,2.5,20\n2020-01-03,-3e2,30\n"


@pytest.fixture
def write(tmp_path):
    def written(text, name="table.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return written


def test_dates_in_front_are_left_out(write):
    table = read_table(write(CSV))
    assert table.names == ("load", "price")
    assert table.values.tolist() == [[1.5, 10], [2.5, 20], [-300, 30]]


@pytest.mark.parametrize(("columns", "first"), [("price", 10), ("price, load", 10), ("1", 1.5)])
def test_columns_by_name_and_number(write, columns, first):
    table = read_table(write(CSV), columns)
    assert table.values.shape == (3, columns.count(",") + 1)
    assert table.values[0, 0] == first


def test_time_column_of_numbers_is_left_out(write):
    assert read_table(write("year;x\n1700;5\n1701;11\n"), time="year").names == ("x",)


@pytest.mark.parametrize(
    "text", ["1,2\n3,4\n", "1;2\n3;4", "1\t2\r\n3\t4\r\n", "\ufeff1,2\n\n3,4\n"]
)
def test_without_header(write, text):
    table = read_table(write(text))
    assert table.names == ("0", "1")
    assert table.values.tolist() == [[1, 2], [3, 4]]


def test_packed(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    assert read_table(tmp_path / "t.csv.gz").values.shape == (3, 2)


def test_bad_fields_are_listed_with_their_places(write):
    path = write(CSV + "2020-01-04,,40\n2020-01-05,nan,n/a\n2020-01-06,7\n")
    with pytest.raises(DataError) as raised:
        read_table(path)
    message = str(raised.value)
    assert "4 places" in message
    assert "line 5, column 'load': ''" in message
    assert "line 6, column 'load': 'nan'" in message
    assert "line 6, column 'price': 'n/a'" in message
    assert "line 7: 2 fields instead of 3: '2020-01-06,7'" in message


def test_only_ten_are_shown(write):
    with pytest.raises(DataError) as raised:
        read_table(write("x\n1\n" + "?\n" * 25))
    assert str(raised.value).count("'?'") == 10
    assert "25 places" in str(raised.value)
    assert "and 15 more" in str(raised.value)


def test_bad_fields_of_other_columns_do_not_matter(write):
    assert read_table(write("a,b\n1,?\n2,?\n"), columns="a").values.tolist() == [[1], [2]]


def test_unknown_column_names_the_nearest(write):
    with pytest.raises(ArgumentError, match=r"no column 'prize'. Did you mean 'price'"):
        read_table(write(CSV), "prize")
    with pytest.raises(ArgumentError, match="no column '3'"):
        read_table(write(CSV), "3")


@pytest.mark.parametrize("text", ["", "\n", "a,b\n", "a\nx\ny\n"])
def test_nothing_to_read(write, text):
    with pytest.raises(DataError, match=r"empty|no column of numbers"):
        read_table(write(text))


def test_array(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    np.save(tmp_path / "b.npy", np.arange(3))
    assert read_table(tmp_path / "a.npy", "1").values.tolist() == [[1], [3], [5]]
    assert read_table(tmp_path / "b.npy").values.tolist() == [[0], [1], [2]]


def test_bad_arrays(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[1.0, 2.0], [3.0, np.inf]]))
    with pytest.raises(DataError, match="row 1, column 1: inf"):
        read_table(path)
    np.save(path, np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match=r"float64 of shape \(2, 2, 2\)"):
        read_table(path)
    np.save(path, np.array([{}]))
    with pytest.raises(DataError, match="cannot be read"):
        read_table(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(path)
