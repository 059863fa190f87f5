"""Pictures of environments, drawn pixel by pixel: no library needed, and fast enough for films."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

Colour = tuple[int, int, int]
Point = tuple[float, float]
WHITE, BLACK, GREY = (255, 255, 255), (30, 30, 30), (210, 210, 210)
BLUE, ORANGE, GREEN, RED = (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40)


class Canvas:
    """A picture to draw on, white at first.

    Args:
        height: in pixels.
        width: in pixels.

    Attributes:
        pixels: (height, width, 3) uint8.
    """

    def __init__(self, height: int, width: int) -> None:
        self.pixels: ndarray = np.full((height, width, 3), WHITE, dtype=np.uint8)

    def rectangle(self, top: float, left: float, bottom: float, right: float, c: Colour) -> None:
        """Fill between two corners; what lies outside of the picture is cut off."""
        rows, columns = (
            slice(max(0, round(begin)), max(0, round(end)))
            for begin, end in ((top, bottom), (left, right))
        )
        self.pixels[rows, columns] = c

    def line(self, start: Point, end: Point, width: float, c: Colour) -> None:
        """Draw a line between two points (row, column), with round ends."""
        (r, s), (down, across) = start, (end[0] - start[0], end[1] - start[1])
        rows, columns = np.ogrid[: self.pixels.shape[0], : self.pixels.shape[1]]
        length = max(down**2 + across**2, 1e-9)
        along = (((rows - r) * down + (columns - s) * across) / length).clip(0, 1)
        distance = np.hypot(rows - r - along * down, columns - s - along * across)
        self.pixels[distance <= width / 2] = c
