from __future__ import annotations

import numpy as np

from ostinato.tasks.rl.canvas import BLUE, RED, Canvas


def coloured(canvas, colour):
    return (canvas.pixels == np.array(colour, dtype=np.uint8)).all(2)


def test_a_rectangle_is_filled_and_cut_off_at_the_border():
    canvas = Canvas(10, 20)
    canvas.rectangle(2, -5, 4, 3, BLUE)
    filled = coloured(canvas, BLUE)
    assert filled.sum() == 6
    assert filled[2:4, :3].all()


def test_a_line_is_as_wide_and_long_as_asked():
    canvas = Canvas(21, 21)
    canvas.line((10, 5), (10, 15), 3, RED)
    drawn = coloured(canvas, RED)
    assert drawn[:, 10].sum() == 3
    assert drawn[10].sum() == 13
    canvas.line((3, 3), (3, 3), 1, BLUE)
    assert coloured(canvas, BLUE).sum() == 1
