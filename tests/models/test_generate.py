"""Sampling draws from the distribution it should, and only from that."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.models.generate import distribution, generate
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN


@pytest.fixture
def model() -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(
        OneHot(6), RNN(make_cell("GRU", 6, 8)), nn.Linear(8, 6), dropout=0.5
    ).double()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LOGITS = torch.tensor([0.5, 0.1, 0.3, 0.06, 0.04]).log()


def test_plain_sampling_is_the_softmax() -> None:
    torch.testing.assert_close(distribution(LOGITS), LOGITS.exp())


def test_temperature() -> None:
    torch.testing.assert_close(distribution(LOGITS, 0.5), (2 * LOGITS).softmax(-1))
    assert distribution(LOGITS, 0).tolist() == [1, 0, 0, 0, 0]


def test_top_k_keeps_the_likeliest() -> None:
    expected = torch.tensor([0.5, 0, 0.3, 0, 0]) / 0.8
    torch.testing.assert_close(distribution(LOGITS, top_k=2), expected)
    torch.testing.assert_close(distribution(LOGITS, top_k=99), LOGITS.exp())


@pytest.mark.parametrize(
    ("p", "kept"), [(0.01, [0]), (0.49, [0]), (0.6, [0, 2]), (0.85, [0, 1, 2]), (1, range(5))]
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(p: float, kept: list[int]) -> None:
    assert distribution(LOGITS, top_p=p).nonzero().flatten().tolist() == sorted(kept)


def test_a_forbidden_symbol_has_no_probability_even_at_temperature_zero() -> None:
    assert distribution(LOGITS, 0, forbidden=[0]).tolist() == [0, 0, 1, 0, 0]
    assert distribution(LOGITS, forbidden=[0, 4])[[0, 4]].tolist() == [0, 0]
    assert distribution(LOGITS, top_p=0.01, forbidden=[0]).tolist() == [0, 0, 1, 0, 0]


def test_it_acts_on_the_last_axis() -> None:
    both = torch.stack([LOGITS, LOGITS.flip(0)])
    rows = distribution(both, 0.7, 3, 0.9)
    torch.testing.assert_close(rows[0], rows[1].flip(0))


def test_the_seed_decides(model: SequenceModel) -> None:
    runs = [list(generate(model, [1, 2], 20, generator=seeded(s))) for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 20


def test_greedy_is_what_the_model_says_of_the_whole(model: SequenceModel) -> None:
    model = model.eval()
    written = [3, 1]
    for symbol in generate(model, [3, 1], 10, temperature=0):
        assert symbol == int(model(torch.tensor([written]))[0][0, -1].argmax())
        written.append(symbol)


def test_the_prompt_is_read_without_dropout_and_the_mode_is_kept(model: SequenceModel) -> None:
    model.train()
    training = list(generate(model, [1, 2, 3], 10, temperature=0))
    assert model.training
    assert training == list(generate(model.eval(), [1, 2, 3], 10, temperature=0))


def test_the_prompt_matters(model: SequenceModel) -> None:
    firsts = {next(generate(model, [s], 1, temperature=0)) for s in range(6)}
    seconds = {tuple(generate(model, [s, 0], 12, generator=seeded())) for s in range(6)}
    assert len(firsts) > 1 or len(seconds) > 1


def test_it_streams(model: SequenceModel) -> None:
    assert len(list(islice(generate(model, [0], 10**9), 3))) == 3


def test_no_graph_is_built_and_the_callers_mode_is_kept(model: SequenceModel) -> None:
    for _ in generate(model, [0], 2):
        assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": []},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
    ],
)
def test_wrong_options_are_refused_at_once(model: SequenceModel, options: dict) -> None:
    with pytest.raises(ArgumentError):
        generate(**{"model": model, "prompt": [0], "length": 1, **options})


@pytest.mark.parametrize("logits", [LOGITS, torch.full((2,), torch.nan)])
def test_nothing_to_draw_is_an_error(logits: torch.Tensor) -> None:
    with pytest.raises(ArgumentError, match="no symbol"):
        distribution(logits, forbidden=range(len(logits)))
