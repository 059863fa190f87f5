"""The table of times of Newton's method."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench import newton_speed
from ostinato.bench.newton_speed import main
from ostinato.core.errors import ArgumentError
from ostinato.experiments.pararnn_speed import CELLS, ENGINES, MODES


def test_a_line_for_each_cell_length_and_mode(monkeypatch, capsys):
    def times(name, size, seed, track):
        (steps,) = size.lengths
        assert (size.longest_loop, size.device) == (512, "cpu")
        pairs = zip(ENGINES, (8, 2, 1), strict=True)
        return {(side, mode): [each * steps / 1e3] for side, each in pairs for mode in MODES}

    monkeypatch.setattr(newton_speed, "times", times)
    main(["--longest-loop", "512"])
    *_, rule, first = capsys.readouterr().out.splitlines()[:5]
    assert set(rule) == {"|", "-"}
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells == ["ParaGRU 1×64", "forward", "256", "2048.00", "512.00", "256.00", "4.0"]
    main(["--longest-loop", "512", "--quick"])
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2 + len(CELLS) * len(MODES)


def test_a_device_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ArgumentError, match="torch sees no CUDA device"):
        main(["--device", "cuda"])
