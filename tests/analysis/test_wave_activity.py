from __future__ import annotations

import pytest
import torch

from ostinato.analysis.wave_activity import WaveActivity

image = pytest.importorskip("PIL.Image")


@pytest.fixture
def travelling():
    first = torch.tensor([[3.0, 1.0], [0.0, 0.0], [0.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    return WaveActivity(torch.stack([first.roll(-t, 0) for t in range(7)]))


def test_the_speed_is_that_of_the_wave(travelling):
    assert travelling.speed == 1
    assert WaveActivity(travelling.activity.flip(0)).speed == -1
    assert WaveActivity(travelling.activity[:1].expand(4, -1, -1)).speed == 0


def test_the_animation_has_a_frame_for_each_step(travelling, tmp_path):
    path = travelling.animate(tmp_path / "wave.gif")
    with image.open(path) as gif:
        assert gif.n_frames == 7
    assert [each.name for each in tmp_path.iterdir()] == ["wave.gif"]


def test_picture_and_table(travelling):
    assert travelling.plot().axes[0].get_xlabel() == "step"
    table = travelling.table()
    assert table.headings[-1] == "place 5"
    assert table.rows[1][:2] == [1, 0.0]
    assert table.rows[0][:2] == [0, 2.0]
