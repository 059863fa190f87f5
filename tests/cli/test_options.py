"""From signatures to options."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from ostinato.cli.options import REQUIRED, Option, options_of, parse
from ostinato.core.errors import ArgumentError


@dataclass(frozen=True)
class Config:
    """A configuration."""

    out: Path = Path("runs")
    """Folder."""
    rate: float | None = None
    """Rate."""
    resume: bool = False
    """Go on."""
    more: dict[str, Any] = field(default_factory=dict)
    """Other options."""


def command(
    source: Path,
    other: str = "-",
    *,
    count: int = 3,
    kind: Literal["a", "b"] = "a",
    json: bool = False,
    **options: Annotated[Any, Config],
) -> None:
    """Do it.

    Args:
        source: a file.
        other: another.
        count: how many.
        kind: which.
        json: print JSON.
        options: the fields of Config.
    """


def given(*words):
    return parse("do", command, words)


def test_the_signature_says_what_there_is():
    first, *_, last = options_of(command)
    assert first == Option("source", Path, REQUIRED, "a file.", named=False)
    assert last == Option("more", dict[str, Any], {}, "Other options.")


def test_defaults():
    assert given("x") == {
        "source": Path("x"), "other": "-", "count": 3, "kind": "a", "json": False,
        "out": Path("runs"), "rate": None, "resume": False, "more": {},
    }  # fmt: skip


def test_positions_and_types():
    values = given("x", "y", "--count", "5", "--rate=1e-3", "--kind", "b")
    assert values["other"] == "y"
    assert values["count"] == 5
    assert values["rate"] == 1e-3
    assert values["kind"] == "b"


@pytest.mark.parametrize(
    ("words", "json"),
    [
        (["x", "--json"], True),
        (["--json", "x"], True),
        (["--json", "true", "x"], True),
        (["x", "--json", "false"], False),
        (["x", "--json=true"], True),
        (["x", "--json", "--resume"], True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_flags_need_no_value(words, json):
    assert given(*words)["json"] is json
    assert given(*words)["source"] == Path("x")


def test_dashes_and_underscores_are_the_same():
    def other(*, top_k: int = 0) -> None:
        """Do.

        Args:
            top_k: k.
        """

    assert parse("o", other, ["--top-k", "3"]) == parse("o", other, ["--top_k=3"]) == {"top_k": 3}


def test_single_entries_of_a_dict():
    assert given("x", "--more.window", "5", "--more.name=ab-c")["more"] == {
        "window": 5,
        "name": "ab-c",
    }


def test_a_default_dict_is_not_shared():
    given("x", "--more.a", "1")
    assert given("x")["more"] == {}


def test_a_file_gives_values_and_the_command_line_overrides_them(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("count: 7\nrate: 0.5\nmore: {window: 4}\n")
    values = given("x", "--config", str(file), "--rate", "2")
    assert (values["count"], values["rate"], values["more"]) == (7, 2.0, {"window": 4})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "source"),
        (["x", "--kind", "c"], "kind"),
        (["x", "--count", "many"], "count"),
        (["x", "y", "z"], "unrecognized"),
        (["x", "--cuont", "3"], "Did you mean '--count'"),
        (["x", "--config", "absent.yaml"], "absent.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_is_named(words, said):
    with pytest.raises(ArgumentError, match=said):
        given(*words)


def test_an_unknown_entry_of_a_file_is_an_error(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("cuont: 7\n")
    with pytest.raises(ArgumentError, match="cuont"):
        given("x", "--config", str(file))


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module that leaves a mark when it is imported, or when its class is instantiated."""
    mark = tmp_path / "mark"
    (tmp_path / "trapmodule.py").write_text(
        f"open({str(mark)!r}, 'a').close()\n"
        "class Trap:\n"
        f"    def __init__(self, a: int = 1): open({str(mark)!r}, 'a').close()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return mark


@pytest.mark.parametrize(
    "content",
    [
        "more: {class_path: trapmodule.Trap, init_args: {a: 2}}",
        "more: {inner: {class_path: trapmodule.Trap}}",
        "more: {inner: trapmodule.Trap}",
        "more: {inner: !!python/object/apply:trapmodule.Trap []}",
        "more: {inner: !!python/name:trapmodule.Trap }",
        "class_path: trapmodule.Trap",
    ],
)
def test_no_code_is_executed_from_a_file(trap, tmp_path, content):
    file = tmp_path / "config.yaml"
    file.write_text(content)
    try:
        values = given("x", "--config", str(file))
    except ArgumentError:
        values = {"more": {}}
    assert not trap.exists()
    assert all(isinstance(value, dict | str | int) for value in values["more"].values())


def test_no_code_is_executed_from_the_command_line(trap):
    values = given("x", "--more.inner", '{"class_path": "trapmodule.Trap"}')
    assert not trap.exists()
    assert values["more"] == {"inner": {"class_path": "trapmodule.Trap"}}
