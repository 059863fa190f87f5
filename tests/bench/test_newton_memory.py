"""What Newton's method keeps for the gradient."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.bench import newton_memory
from ostinato.bench.newton_memory import kept_bytes, main, measured
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError, OstinatoError


def test_jacobians_are_what_is_kept_less():
    layer, x = ost.RNN(make_cell("GRU", 6, 6), "parallel"), torch.randn(2, 30, 6)
    # Plans are tried, with a gradient, when they are made.
    layer(x)
    kept, again = (kept_bytes(layer, x, recompute) for recompute in (False, True))
    assert kept - again >= 30 * 2 * 6**2 * 4
    assert again > 0


def test_the_table_has_a_line_for_each_cell(capsys):
    main(["GRU:3", "--steps", "20", "--rows", "1", "--repeats", "1"])
    *_, line = capsys.readouterr().out.splitlines()
    name, *numbers = line.strip("| ").split(" | ")
    assert name == "`GRU`, 3"
    assert len(numbers) == 5
    assert all(float(number) >= 0 for number in numbers)


def test_gradients_that_differ_are_not_timed(monkeypatch):
    monkeypatch.setattr(newton_memory, "compare", None)
    monkeypatch.setattr(
        newton_memory, "_gradients", lambda layer, x, again: (torch.full((2,), 1.0 + again),)
    )
    with pytest.raises(OstinatoError, match=r"GRU: gradients .* apart by 1\.0e\+00"):
        measured("GRU", 2, 4, 1, 1)


@pytest.mark.parametrize("text", ["GRU", "GRU:", "GRU:0", "GRU:x"])
def test_a_cell_is_named_with_its_units(text):
    with pytest.raises(ArgumentError, match=f"as GRU:32; got '{text}'"):
        main([text])
