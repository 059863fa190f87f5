"""What every configuration can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Baking(Settings):
    degrees: int | None = 180
    oven: str = "gas"
    out: Path = Path("runs")
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self):
        self._check_folder()
        self._at_least("degrees", 100)
        self._positive("degrees")
        self._one_of("oven", ("gas", "electric"))


def test_json_and_back():
    made = Baking(degrees=200, out="bread")
    assert made.to_json() == {
        "degrees": 200, "oven": "gas", "out": "bread", "resume": False, "overwrite": False
    }  # fmt: skip
    assert Baking.from_json(made.to_json()) == made
    with pytest.raises(ArgumentError, match="Baking has no field 'degree'"):
        Baking.from_json({"degree": 1})


def test_where_and_how_fast_may_differ_in_a_continuation():
    assert Baking(out="a").identity() == Baking(out="b", resume=True).identity()
    assert Baking(degrees=150).identity() != Baking().identity()


def test_a_wrong_value_is_refused_by_the_name_of_its_flag():
    assert Baking(degrees=None).degrees is None
    for wrong in ({"degrees": 99}, {"degrees": float("inf")}):
        with pytest.raises(ArgumentError, match="--degrees"):
            Baking(**wrong)
    with pytest.raises(ArgumentError, match="Did you mean 'electric'"):
        Baking(oven="electrik")


def test_resume_and_overwrite_exclude_each_other():
    with pytest.raises(ArgumentError, match="--overwrite"):
        Baking(resume=True, overwrite=True)
