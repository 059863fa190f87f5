"""What an agent acts in: E environments side by side, each in an episode of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from numpy import ndarray
from torch import Tensor

from ostinato.core.errors import OstinatoError


class NoPictureError(OstinatoError, NotImplementedError):
    """An environment does not draw itself."""


class Transition(NamedTuple):
    """What one step of E environments brings.

    Where an episode ends, the next one begins in the same step. The value of `final_observation`
    is what a truncated episode would still have brought; after a terminated one nothing comes.

    Attributes:
        observation: (E, O) float32, to act on next: the first of a new episode where one ended.
        reward: (E,) float32.
        terminated: (E,) bool: the episode came to its end.
        truncated: (E,) bool: a limit of time cut it off; never where it is terminated.
        final_observation: (E, O): the last of the episode that ended, `observation` elsewhere.
        returns: (F,) float32: undiscounted sums of rewards of the F episodes that ended now, in
            the order of their environments.
        lengths: (F,) int64: their steps.
    """

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final_observation: Tensor
    returns: Tensor
    lengths: Tensor

    @property
    def over(self) -> Tensor:
        """Where an episode ended, (E,) bool, and so where `observation` begins one."""
        return self.terminated | self.truncated


class VectorEnvironment(Protocol):
    """E environments that take one of `actions` actions each.

    Attributes:
        name: as `make_environment` knows it.
        number: E.
        observation_size: O, numbers of an observation.
        actions: how many there are to choose from.
    """

    name: str
    number: int
    observation_size: int
    actions: int

    def reset(self, seed: int | None = None) -> Tensor:
        """Begin new episodes everywhere.

        Args:
            seed: what all that is random from now on derives from; None: goes on as it was.

        Returns:
            The first observations (E, O).
        """

    def step(self, action: Tensor) -> Transition:
        """Take the actions (E,) int64."""

    def frame(self) -> ndarray:
        """The first of the environments as a picture, (height, width, 3) uint8.

        Raises:
            NoPictureError: if there is none.
        """


@runtime_checkable
class ResumableEnvironment(VectorEnvironment, Protocol):
    """Environments that can go on bit by bit where others were.

    Those of other libraries cannot: after a pause their episodes begin anew, with `reset`.
    """

    def state_dict(self) -> dict[str, Any]:
        """All that the future depends on: tensors, by name."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the observations at that point are the caller's to keep."""
