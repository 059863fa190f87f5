"""Which units of a cell are joined, and whether a synapse excites or inhibits.

Neural circuit policies have three groups of units: inputs reach *inter* units, these reach
*command* units, which are joined among themselves, and these reach *motor* units, the output.

    1. every input → `sensory_fanout` inter units
    2. every inter unit → `inter_fanout` command units
    3. `recurrent_synapses` pairs of command units, drawn with repetition
    4. every motor unit ← `motor_fanin` command units

Where a group is reached by chance, a unit that nobody reached gets synapses of its own: as many
as its neighbours have on average.

Source: Lechner, Hasani, Amini, Henzinger, Rus & Grosu 2020, "Neural circuit policies enabling
auditable autonomy", Nature Machine Intelligence 2. Derived sizes are those of the published code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ostinato.core.errors import ArgumentError

__papers__ = ("sparse-lowrank-cfc",)

SEED = 22222
"""Wirings of equal sizes are equal, unless another seed is asked for."""


@dataclass(frozen=True)
class Wiring:
    """Synapses among units and from inputs: 1 excites, −1 inhibits, 0: there is none.

    Attributes:
        synapses: (H, H), row i receives from column j.
        sensory: (H, D), row i receives from input k.
        groups: their sizes by name, in the order of the units; the first is the output.
    """

    synapses: Tensor
    sensory: Tensor
    groups: Mapping[str, int]

    @property
    def units(self) -> int:
        """H."""
        return self.sensory.shape[0]

    @property
    def inputs(self) -> int:
        """D."""
        return self.sensory.shape[1]

    @property
    def outputs(self) -> int:
        """The size of the first group."""
        return next(iter(self.groups.values()))

    def span(self, group: str) -> slice:
        """Where the units of a group stand."""
        names = list(self.groups)
        begin = sum(self.groups[name] for name in names[: names.index(group)])
        return slice(begin, begin + self.groups[group])


def fully_connected(inputs: int, units: int, seed: int = SEED) -> Wiring:
    """All joined with all; two of three synapses excite."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.tensor([-1, 1, 1])

    def draw(sources: int) -> Tensor:
        return signs[torch.randint(3, (units, sources), generator=generator)]

    return Wiring(draw(units), draw(inputs), {"units": units})


def random_wiring(inputs: int, units: int, sparsity: float, seed: int = SEED) -> Wiring:
    """The fully connected wiring with round((1 − sparsity) n) of its n synapses, at random places.

    Raises:
        ArgumentError: if `sparsity` is not in [0, 1).
    """
    if not 0 <= sparsity < 1:
        raise ArgumentError(f"sparsity must lie in [0, 1); got {sparsity}.")
    full, generator = fully_connected(inputs, units, seed), torch.Generator().manual_seed(seed)

    def thin(polarity: Tensor) -> Tensor:
        order = torch.randperm(polarity.numel(), generator=generator).view_as(polarity)
        return polarity * (order < round((1 - sparsity) * polarity.numel()))

    return Wiring(thin(full.synapses), thin(full.sensory), full.groups)


def auto_ncp(
    inputs: int, units: int, outputs: int, sparsity: float = 0.5, seed: int = SEED
) -> Wiring:
    """A neural circuit policy of so many units, its groups and fans derived from the sparsity.

    Args:
        inputs: D.
        units: H.
        outputs: motor units.
        sparsity: from 0.1 to 0.9.
        seed: of the synapses.

    Raises:
        ArgumentError: if `sparsity` is out of range, or fewer than two units are left beside the
            motor units.
    """
    if not 0.1 <= sparsity <= 0.9 or units - outputs < 2:
        raise ArgumentError(
            f"auto_ncp needs a sparsity from 0.1 to 0.9 and two units more than outputs; got "
            f"{sparsity}, {units} units and {outputs} outputs."
        )
    density = 1 - sparsity
    command = max(int(0.4 * (units - outputs)), 1)
    inter = units - outputs - command
    return ncp(
        inputs,
        {"motor": outputs, "command": command, "inter": inter},
        sensory_fanout=max(int(inter * density), 1),
        inter_fanout=max(int(command * density), 1),
        recurrent_synapses=max(int(2 * command * density), 1),
        motor_fanin=max(int(command * density), 1),
        seed=seed,
    )


def ncp(
    inputs: int,
    groups: Mapping[str, int],
    *,
    sensory_fanout: int,
    inter_fanout: int,
    recurrent_synapses: int,
    motor_fanin: int,
    seed: int = SEED,
) -> Wiring:
    """A neural circuit policy; see the head of this file.

    Args:
        inputs: D.
        groups: the sizes of "motor", "command" and "inter", in this order.
        sensory_fanout: inter units that an input reaches.
        inter_fanout: command units that an inter unit reaches.
        recurrent_synapses: pairs of command units.
        motor_fanin: command units that a motor unit receives from.
        seed: of the synapses.

    Raises:
        ArgumentError: if a fan is larger than the group that it reaches.
    """
    motor, command, inter = (groups[name] for name in ("motor", "command", "inter"))
    fans = ((sensory_fanout, inter), (inter_fanout, command), (motor_fanin, command))
    if list(groups) != ["motor", "command", "inter"] or any(not 1 <= f <= n for f, n in fans):
        raise ArgumentError(
            "A neural circuit policy has groups motor, command and inter, and fans from 1 to the "
            f"size of the group; got {dict(groups)} with fans {[fan for fan, _ in fans]}."
        )
    generator = torch.Generator().manual_seed(seed)
    units = motor + command + inter
    synapses, sensory = torch.zeros(units, units).long(), torch.zeros(units, inputs).long()
    wiring = Wiring(synapses, sensory, dict(groups))
    m, c, i = (wiring.span(name) for name in groups)
    sensory[i] = _fan_out(inter, inputs, sensory_fanout, generator)
    synapses[c, i] = _fan_out(command, inter, inter_fanout, generator)
    synapses[m, c] = _fan_out(command, motor, motor_fanin, generator).T
    for _ in range(recurrent_synapses):
        to, source = torch.randint(command, (2,), generator=generator).tolist()
        synapses[c.start + to, c.start + source] = _signs(1, generator)
    return wiring


def _fan_out(targets: int, sources: int, fan: int, generator: Generator) -> Tensor:
    """(targets, sources): each source reaches `fan` targets, and no target is left out."""
    found = torch.zeros(targets, sources).long()
    for source in range(sources):
        chosen = torch.randperm(targets, generator=generator)[:fan]
        found[chosen, source] = _signs(fan, generator)
    share = min(max(sources * fan // targets, 1), sources)
    for target in (found == 0).all(1).nonzero().flatten().tolist():
        chosen = torch.randperm(sources, generator=generator)[:share]
        found[target, chosen] = _signs(share, generator)
    return found


def _signs(count: int, generator: Generator) -> Tensor:
    """±1, evenly."""
    return 2 * torch.randint(2, (count,), generator=generator) - 1
