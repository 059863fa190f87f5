"""Rates of a device: those that were measured, or published ones."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from ostinato.engines import rates as module
from ostinato.engines.rates import FILE, Rates, of_device, store


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    of_device.cache_clear()
    yield tmp_path
    of_device.cache_clear()


def test_until_they_are_measured_they_say_where_they_come_from():
    assert of_device("a device") == Rates()
    assert "not measured" in Rates().origin


def test_what_was_measured_is_read_back():
    assert of_device("a device") == Rates()
    found = replace(Rates(), origin="measured", bandwidth=2e6)
    store("a device", found)
    assert of_device("a device") == found
    assert of_device("another") == Rates()


@pytest.mark.parametrize(
    "change",
    [{"bandwidth": -1.0}, {"bandwidth": None}, {"cache": float("nan")}, {"multiply": 3.0},
     {"multiply": {"ieee": 1.0}}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_rates_is_not_taken(folder, change):
    entry = asdict(Rates()) | {"origin": "measured"} | change
    (folder / FILE).write_text(json.dumps({"a device": entry}))
    assert of_device("a device") == Rates()


def test_without_a_device_the_published_ones():
    assert module.rates() == Rates()
