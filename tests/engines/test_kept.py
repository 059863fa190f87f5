"""Tables of what was measured."""

from __future__ import annotations

import pytest

from ostinato.core.errors import EngineError
from ostinato.engines import kept
from ostinato.engines.kept import keep, table


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    return tmp_path


def test_entries_are_read_back_in_their_order(folder):
    keep("some.json", "a", {"x": 1})
    keep("some.json", "b", {"x": 2})
    keep("some.json", "a", {"x": 3})
    assert list(table("some.json").items()) == [("b", {"x": 2}), ("a", {"x": 3})]
    assert table("other.json") == {}
    assert [each.name for each in folder.iterdir()] == ["some.json"]


def test_only_the_latest_are_kept(monkeypatch):
    monkeypatch.setattr(kept, "_MOST", 3)
    for i in range(5):
        keep("some.json", str(i), {})
    assert list(table("some.json")) == ["2", "3", "4"]


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"a": 1}', "\0"])
def test_what_is_damaged_is_as_if_it_were_not_there(folder, damage):
    (folder / "some.json").write_text(damage)
    assert table("some.json") == {}
    keep("some.json", "a", {})
    assert table("some.json") == {"a": {}}


def test_a_cache_that_cannot_be_used_is_an_error(monkeypatch, folder):
    (folder / "file").touch()
    monkeypatch.setenv("OSTINATO_CACHE", str(folder / "file"))
    assert table("some.json") == {}
    with pytest.raises(EngineError, match="set OSTINATO_CACHE"):
        keep("some.json", "a", {})
