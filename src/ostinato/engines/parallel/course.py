"""What an affine recurrence is, besides its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.engines.parallel.affine_map import Form


@dataclass(frozen=True)
class Course:
    """What steers a recurrence besides its numbers.

    Attributes:
        form: of A.
        reverse: run from the last step to the first.
        identity: (T, B) bool, where A is the identity.
        cut: (T, B) bool, where nothing is carried over from the step before.
    """

    form: Form
    reverse: bool = False
    identity: Tensor | None = None
    cut: Tensor | None = None

    @property
    def first(self) -> slice:
        """The step that is run first."""
        return slice(-1, None) if self.reverse else slice(0, 1)

    @property
    def last(self) -> slice:
        """The step that is run last."""
        return slice(0, 1) if self.reverse else slice(-1, None)

    @property
    def earlier(self) -> slice:
        """All steps that another follows."""
        return slice(1, None) if self.reverse else slice(0, -1)

    @property
    def later(self) -> slice:
        """All steps that follow another."""
        return slice(0, -1) if self.reverse else slice(1, None)

    def backwards(self) -> Course:
        """The course of the gradient, from the later steps to the earlier ones."""
        identity, cut = (
            None if mask is None else mask[self.later] for mask in (self.identity, self.cut)
        )
        return Course(self.form, not self.reverse, identity, cut)

    def in_order(self, first: Tensor, rest: Tensor) -> Tensor:
        """The step that is run first and all others, in the order of time."""
        return torch.cat([rest, first] if self.reverse else [first, rest])
