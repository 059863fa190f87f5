from __future__ import annotations

from itertools import product

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.time.beam_search import beam_search, ensemble, greedy

BEGIN, END, SYMBOLS, LIMIT = 0, 1, 4, 4


def markov(seed=0, rows=2):
    """A model whose next symbol depends on the last one, the row, and how far it is."""
    table = torch.randn(
        rows, LIMIT, SYMBOLS, SYMBOLS, generator=torch.Generator().manual_seed(seed)
    )

    def predict(symbols, state):
        row, step = state
        return table[row, step, symbols], (row, step + 1)

    return predict, (torch.arange(rows), torch.zeros(rows, dtype=torch.long))


def log_p(predict, row, string):
    """Of a string, with the symbol that ends it if it is shorter than the limit."""
    written = [*string, END][:LIMIT]
    state, last, total = (torch.tensor([row]), torch.tensor([0])), BEGIN, 0.0
    for symbol in written:
        logits, state = predict(torch.tensor([last]), state)
        total += float(logits.log_softmax(-1)[0, symbol])
        last = symbol
    return total, len(written)


def strings():
    others = [k for k in range(SYMBOLS) if k != END]
    return [string for size in range(LIMIT + 1) for string in product(others, repeat=size)]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_full_width_is_exhaustive_search(alpha):
    predict, state = markov()
    settings = {"begin": BEGIN, "end": END, "limit": LIMIT, "alpha": alpha}
    found = beam_search(predict, state, width=SYMBOLS**LIMIT, **settings)
    for row in range(2):
        every = {}
        for string in strings():
            total, size = log_p(predict, row, string)
            every[string] = total / size**alpha
        best = sorted(every, key=every.get, reverse=True)[:5]
        assert found.best(row) == list(best[0])
        for place, string in enumerate(best):
            length = int(found.lengths[row, place])
            assert tuple(found.symbols[row, place, :length].tolist()) == string
            assert float(found.scores[row, place]) == pytest.approx(every[string], abs=1e-5)


def test_width_one_is_greedy():
    for seed in range(5):
        predict, state = markov(seed)
        found = greedy(predict, state, begin=BEGIN, end=END, limit=LIMIT)
        for row in range(2):
            written, last = [], BEGIN
            step = torch.tensor([row]), torch.tensor([0])
            while len(written) < LIMIT:
                logits, step = predict(torch.tensor([last]), step)
                last = int(logits.argmax())
                if last == END:
                    break
                written.append(last)
            assert found.best(row) == written


def test_a_wider_beam_of_two_is_seldom_worse_and_its_scores_are_true():
    gains = []
    for seed in range(20):
        predict, state = markov(seed)
        settings = {"begin": BEGIN, "end": END, "limit": LIMIT}
        narrow, wide = (beam_search(predict, state, width=w, **settings) for w in (1, 3))
        gains.append(float((wide.scores[:, 0] - narrow.scores[:, 0]).mean()))
        for row in range(2):
            truth, _ = log_p(predict, row, wide.best(row))
            assert float(wide.scores[row, 0]) == pytest.approx(truth, abs=1e-5)
    assert sum(gains) > 0
    assert sum(gain < -1e-6 for gain in gains) <= 2


def test_an_end_fills_the_rest_and_rows_are_searched_apart():
    predict, state = markov(3, rows=3)
    settings = {"begin": BEGIN, "end": END, "limit": LIMIT, "width": 3}
    found = beam_search(predict, state, **settings)
    for row in range(3):
        alone = beam_search(predict, tuple(leaf[row : row + 1] for leaf in state), **settings)
        assert alone.best() == found.best(row)
        tail = found.symbols[row, 0, int(found.lengths[row, 0]) :]
        assert bool((tail == END).all())


def test_an_ensemble_averages_probabilities():
    (a, state), (b, _) = markov(0), markov(1)
    both = ensemble([a, b])
    symbols = torch.zeros(2, dtype=torch.long)
    logits, _ = both(symbols, (state, state))
    mean = (a(symbols, state)[0].softmax(-1) + b(symbols, state)[0].softmax(-1)) / 2
    torch.testing.assert_close(logits.softmax(-1), mean)
    found = beam_search(both, (state, state), begin=BEGIN, end=END, limit=LIMIT, width=3)
    assert found.symbols.shape == (2, 3, LIMIT)


def test_sizes_are_checked():
    predict, state = markov()
    with pytest.raises(ArgumentError, match="got 4, 0 and 0"):
        beam_search(predict, state, begin=0, end=1, limit=4, width=0)
