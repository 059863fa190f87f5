"""The function around a step."""

from __future__ import annotations

import ast

import torch

from ostinato.engines.fused.device.source import module

from ..steps import STEPS, W
from .kernels import sources


def test_a_step_without_ties_between_elements_is_cut_along_them():
    made = sources(lambda h, x: torch.sigmoid(h) * x)
    assert {source.elements for source in made.values()} == {6}
    assert all("tl.program_id(1)" in source.text for source in made.values())


def test_products_reductions_and_rearrangements_tie_elements():
    for step in (lambda h, x: h @ W, STEPS["reduction.softmax"], STEPS["rearrangement.permute"]):
        assert {source.elements for source in sources(step).values()} == {0}


def test_the_same_step_gives_the_same_text():
    one, two = (module(sources(STEPS["reduction.layer_norm"]).values()) for _ in range(2))
    assert one == two


def test_arguments_are_those_of_the_function():
    for source in sources(lambda h, x: torch.tanh(h @ W + x)).values():
        (function,) = ast.parse(source.text).body
        names = [argument.arg for argument in function.args.args]
        assert names == [*source.arguments, "R", "U", "S"]


def test_products_are_counted():
    made = sources(lambda h, x: torch.tanh(h @ W + x))
    assert made["forward"].products == 36
    assert sources(lambda h, x: h + x)["forward"].products == 0


def test_ports_move_on_when_a_step_has_read_them():
    step = STEPS["reduction.sum_first"]
    for source in sources(step).values():
        lines = source.text.splitlines()
        moved = [i for i, line in enumerate(lines) if line.strip().endswith("_time")]
        late = lines[moved[0] :]
        assert all(name not in line for line in late for name in ("product(", "total("))


def test_ports_that_a_product_waits_for_are_read_a_step_ahead():
    made = sources(lambda h, x: torch.tanh(h @ W) * torch.sigmoid(x))
    assert "more = live & (t + 1 < T)" in made["backward"].text
    # The product of the state runs while ports arrive.
    assert "more" not in made["forward"].text
    assert "more" in sources(lambda h, x: torch.tanh((h * x) @ W))["forward"].text
