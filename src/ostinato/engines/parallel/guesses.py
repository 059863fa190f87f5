"""What samples were solved to last, to begin from when they come again.

From one epoch of training to the next the states of a sample change as little as the weights do,
so that its old ones are a better guess than none. Lim, Zhu, Selfridge & Kasim, "Parallelizing
non-linear sequential models over the sequence length", ICLR 2024, arXiv 2309.12252, keep the
trajectory of every sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ostinato.core.errors import ShapeError
from ostinato.core.state import State, leaves, map_state

__papers__ = ("deer",)


class Guesses:
    """States of samples by number, leaves (T, B, ...) as `solve_ode` and `ost.newton` take them.

    For example::

        guesses = Guesses()
        for samples, init in batches:                       # samples (B,), init (B, N)
            guess = guesses.of(samples, init, len(times))
            y = ost.solve_ode(field, init, times, guess=guess)
            guesses.keep(samples, y)

    Of a layer, `states` of `return_states=True` are (B, T, ...): transpose them to keep them. All
    that is kept takes as much memory as the states of one epoch, where they were computed.
    """

    def __init__(self) -> None:
        self._kept: dict[int, State] = {}

    def __len__(self) -> int:
        """How many samples there are states of."""
        return len(self._kept)

    def of(self, samples: Tensor | Sequence[int], init: State, steps: int) -> State:
        """What to begin from, leaves (T, B, ...).

        Of a sample that was not kept it is its initial state at all steps; of one with fewer
        steps the last of them goes on.

        Args:
            samples: numbers of the samples (B,).
            init: their initial states, leaves (B, ...).
            steps: T.

        Raises:
            ShapeError: if `init` has not as many rows as there are samples.
        """
        _check_rows(samples, init, 0)
        found = [
            map_state(lambda h: _fit(h, steps), self._kept[int(sample)])
            if int(sample) in self._kept
            else map_state(lambda h, row=row: h[row].expand(steps, *h.shape[1:]), init)
            for row, sample in enumerate(samples)
        ]
        return map_state(lambda *rows: torch.stack(rows, 1), *found)

    def keep(self, samples: Tensor | Sequence[int], states: State) -> None:
        """Remember states, leaves (T, B, ...), in the place of those before.

        Raises:
            ShapeError: if there are not as many rows as samples.
        """
        _check_rows(samples, states, 1)
        for row, sample in enumerate(samples):
            self._kept[int(sample)] = map_state(
                lambda h, row=row: h[:, row].detach().clone(), states
            )


def _fit(states: Tensor, steps: int) -> Tensor:
    """The first steps (T, ...), or all and the last one again and again."""
    missing = steps - len(states)
    if missing <= 0:
        return states[:steps]
    return torch.cat([states, states[-1:].expand(missing, *states.shape[1:])])


def _check_rows(samples: Tensor | Sequence[int], tree: State, axis: int) -> None:
    wrong = [list(leaf.shape) for leaf in leaves(tree) if leaf.shape[axis] != len(samples)]
    if wrong:
        form = "(B, ...)" if axis == 0 else "(T, B, ...)"
        raise ShapeError(
            f"{len(samples)} samples need leaves {form} with B = {len(samples)}; got {wrong}."
        )
