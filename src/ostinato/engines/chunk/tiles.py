"""What one program of a kernel takes: how many keys and values at once, and how many warps."""

from __future__ import annotations

from typing import Any, NamedTuple

# Rows of a chunk.
ROWS = 32
# The modules of `on_device` in which kernels stand.
HOMES = {
    "sums": "decayed",
    "blocks": "blocks",
    "states": "states",
    "states_back": "states",
    "outputs": "outputs",
    "gradients": "gradients",
}
# Keys or values over which a product goes at once: more leave no registers for its factors.
_SLICE = 32
_CHAINS = ("states", "states_back")


class Tile(NamedTuple):
    """Of one kernel.

    Attributes:
        sizes: keys and values, K and V; slices of keys, P; gates, G.
        warps: of a program.
    """

    sizes: dict[str, int]
    warps: int

    def programs(self, name: str, given: dict[str, Any]) -> tuple[int, ...]:
        """How many there are.

        Args:
            name: of the kernel.
            given: its arguments, with `rows` for B · H.
        """
        columns = -(-given["values"] // self.sizes["V"])
        if name in _CHAINS:
            return given["rows"], columns
        chunks = given["rows"] * given["chunks"]
        if name == "sums":
            return chunks, -(-given["gates"] // self.sizes["G"])
        return (chunks, columns) if name == "outputs" else (chunks,)


def tile(name: str, keys: int, values: int) -> Tile:
    """For which the fewest registers spill.

    Args:
        name: of the kernel.
        keys: K.
        values: V.
    """
    if name in _CHAINS:
        # A program keeps all keys of its columns.
        depth = padded(keys)
        sizes = {"K": depth, "P": min(depth, _SLICE), "V": 16}
        return Tile(sizes, 4 if name == "states" and depth <= 64 else 8)
    sizes = {"K": min(padded(keys), _SLICE), "V": min(padded(values), _SLICE), "G": 32}
    if name == "gradients":
        # Its sums for q, k and a stand side by side.
        return Tile({**sizes, "K": 16}, 8)
    return Tile(sizes, 4)


def padded(size: int) -> int:
    """A power of 2 that the matrix units take."""
    return max(16, 1 << (size - 1).bit_length())
