"""Environments of other libraries, as "library:name".

    gymnasium:CartPole-v1          whatever is registered with gymnasium       MIT
    popgym:RepeatPreviousEasy      42 tasks that need a memory                 MIT
    minigrid:MiniGrid-MemoryS7-v0  grids seen from within, each field one-hot  Apache-2.0
    vizdoom:VizdoomBasic-v1        a first-person game in three dimensions     MIT
    ale:Breakout-v5                games of the Atari 2600                     GPL-2.0

Each has an extra of its own. That of `ale`, `atari`, is part of no other extra, because of its
licence: whoever installs it makes that choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ostinato.core.errors import ArgumentError
from ostinato.core.extras import extra
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.rl.gymnasium_vector import GymnasiumVectorEnvironment


@dataclass(frozen=True)
class Library:
    """A library whose environments are registered with gymnasium.

    Attributes:
        module: what registers them when it is imported.
        extra: of ostinato, that installs it.
        pattern: a name as gymnasium knows it.
        prepare: what is done to each environment.
    """

    module: str
    extra: str
    pattern: str = "{}"
    prepare: Callable[[Any], Any] = lambda world: world

    def build(
        self, name: str, number: int, shrink: int = 1, **options: Any
    ) -> GymnasiumVectorEnvironment:
        """`number` environments, in one process.

        Args:
            name: of an environment in this library.
            number: E.
            shrink: squares of so many pixels of an image become their mean.
            **options: of the environment itself.

        Raises:
            ArgumentError: if there is no such environment, or it cannot be acted in.
            MissingExtraError: without the library.
        """
        require_at_least(1, number=number)
        gymnasium = extra("gymnasium", "rl", "An environment of gymnasium")
        extra(self.module, self.extra, f"The environment {name!r}")
        full = self.pattern.format(name)
        self._require(full, gymnasium.registry)
        pictures = _pictures(gymnasium, full, options)
        worlds = gymnasium.vector.SyncVectorEnv(
            [lambda: self.prepare(gymnasium.make(full, **options, **pictures))] * number,
            autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
        )
        return GymnasiumVectorEnvironment(worlds, full, shrink)

    def _require(self, full: str, registry: Any) -> None:
        if full in registry:
            return
        head, tail = self.pattern.split("{}")
        known = {
            each.removeprefix(head).removesuffix(tail)
            for each in registry
            if each.startswith(head) and each.endswith(tail)
        }
        name = full.removeprefix(head).removesuffix(tail)
        close = get_close_matches(name, known, n=5, cutoff=0.3)
        raise ArgumentError(
            f"There is no environment {name!r} among the {len(known)} that {self.module} brings. "
            f"The nearest: {', '.join(close) or 'none'}."
        )


def _pictures(gymnasium: Any, full: str, options: dict[str, Any]) -> dict[str, str]:
    """The option by which an environment draws itself when asked to, if it can."""
    world = gymnasium.make(full, **options)
    modes = world.metadata.get("render_modes", ())
    world.close()
    return {"render_mode": "rgb_array"} if "rgb_array" in modes else {}


def _one_hot_fields(world: Any) -> Any:
    """MiniGrid's view as what it is: fields of an object, a colour and a state each.

    A mission that never changes says nothing and is left out.
    """
    from gymnasium.spaces import Dict, MultiDiscrete
    from gymnasium.wrappers import TransformObservation
    from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX
    from numpy import full

    space = world.observation_space
    if space["mission"].ordered_placeholders is not None:
        raise ArgumentError(
            f"The mission of {world.spec.id} changes and is text, such as "
            f"{space['mission'].sample()!r}, which does not become numbers. Take a task of one "
            "mission, such as minigrid:MiniGrid-MemoryS7-v0."
        )
    kinds = [len(OBJECT_TO_IDX), len(COLOR_TO_IDX), len(STATE_TO_IDX)]
    fields = MultiDiscrete(full(space["image"].shape, kinds))
    shown = Dict({"direction": space["direction"], "image": fields})
    return TransformObservation(world, lambda seen: {k: seen[k] for k in shown}, shown)


LIBRARIES = {
    "gymnasium": Library("gymnasium", "rl"),
    "popgym": Library("popgym", "popgym", "popgym-{}-v0"),
    "minigrid": Library("minigrid", "minigrid", prepare=_one_hot_fields),
    "vizdoom": Library("vizdoom.gymnasium_wrapper", "vizdoom"),
    "ale": Library("ale_py", "atari", "ALE/{}"),
}
"""By the part of a name before the colon."""
