"""The files of the bAbI tasks."""

import tarfile
from pathlib import Path

import pytest

from ostinato.core.errors import DataError
from ostinato.tasks.babi_files import parse, read_questions

REAL = Path(__file__).parents[3] / "shared/data/babi/tasksv11-en.tar.xz"
TEXT = (
    "1 Ann ran to the attic.\n2 Where is Ann? \tattic\t1\n3 Bob left.\n4 Where is Ann?\tAttic\t1\n"
    "1 Bob ran to the porch.\n2 Where is Bob? \tporch,attic\t1\n"
)


def test_a_number_1_begins_a_story():
    asked = list(parse(TEXT))
    assert [q.facts for q in asked] == [
        ("ann ran to the attic .",),
        ("ann ran to the attic .", "bob left ."),
        ("bob ran to the porch .",),
    ]
    assert [q.answer for q in asked] == ["attic", "attic", "porch,attic"]
    assert asked[0].text == "where is ann ?"


def test_a_line_without_a_number_is_named():
    with pytest.raises(DataError, match="Line 2 of here should begin with a number; got 'Ann'"):
        list(parse("1 Ann.\nAnn", "here"))


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_and_an_archive_hold_the_same(tmp_path, packed):
    file = tmp_path / "en" / "qa7_counting_test.txt"
    file.parent.mkdir()
    file.write_text(TEXT)
    path = tmp_path
    if packed:
        path = tmp_path / "babi.tar.xz"
        with tarfile.open(path, "w:xz") as archive:
            archive.add(file, "en/qa7_counting_test.txt")
    assert read_questions(path, 7, "test") == list(parse(TEXT))
    with pytest.raises(DataError, match=r"holds no file qa1_\*_test\.txt"):
        read_questions(path, 1, "test")


def test_what_is_no_archive_is_an_error(tmp_path):
    with pytest.raises(DataError, match="should be a folder or a tar archive"):
        read_questions(tmp_path / "nothing", 1, "train")


@pytest.mark.skipif(not REAL.exists(), reason="the bAbI tasks are not there")
def test_the_real_first_task():
    asked = read_questions(REAL, 1, "train")
    assert len(asked) == 1000
    assert asked[0].facts == ("mary moved to the bathroom .", "john went to the hallway .")
    assert asked[0].answer == "bathroom"
