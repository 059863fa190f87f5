"""What a kernel is given of a tensor."""

from __future__ import annotations

import torch

from ostinato.engines.fused.device.port import Port, arguments


def test_a_step_is_a_view_of_all_rows():
    sequence = torch.arange(24.0).view(4, 2, 3)
    for port, step in ((Port(sequence, 6, 3), 1), (Port(sequence[-1], -6, 3), 2)):
        found = port.at(step, 2, 3)
        assert found.equal(sequence[1])
        assert found.data_ptr() == sequence[1].data_ptr()


def test_rows_may_be_repeated():
    assert Port(torch.arange(3.0)).at(5, 2, 3).equal(torch.arange(3.0).expand(2, 3))


def test_arguments_are_named_after_the_port():
    tensor = torch.zeros(2)
    assert arguments({"x": Port(tensor, 2, 1)}) == {"x": tensor, "x_time": 2, "x_row": 1}
