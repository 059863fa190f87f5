"""What programs that share the matrices put out, and where they wait."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench.device_code import kernel_of
from ostinato.cells import make_cell
from ostinato.engines.fused.device.persistent_body import with_exchange
from ostinato.engines.fused.device.source import shared_source

from ..steps import STEPS, W
from .kernels import kernel


def shared(step, name="forward", resident=False):
    program = with_exchange(kernel(step).programs[name])
    return shared_source(program, "float64", "ieee", resident)


@pytest.mark.parametrize("name", ["forward", "forward_saving", "backward"])
def test_a_product_of_what_others_wrote_waits_for_them(name):
    for step, times in (("product.mm", 1), ("product.shared", 2)):
        lines = shared(STEPS[step], name).text.splitlines()
        read = [i for i, line in enumerate(lines) if "gathered(" in line]
        met = [i for i, line in enumerate(lines) if "meet(" in line]
        assert len(met) == times
        assert met[0] < read[0]
        # What is read behind a barrier has been stored before it.
        for i in read:
            port = lines[i].split("gathered(")[1].split(" ")[0]
            stored = [n for n, line in enumerate(lines) if f"tl.store({port} +" in line]
            assert not stored or min(stored) < max(m for m in met if m < i)


def test_what_is_multiplied_is_put_out():
    step = STEPS["product.shared"]
    program = kernel(step).programs["forward"]
    assert len(with_exchange(program).results) == len(program.results) + 1


def test_matrices_are_read_before_the_steps_where_they_stay_on_chip():
    for resident in (True, False):
        early, late = shared(STEPS["product.mm"], resident=resident).text.split("for _ in")
        assert ("slab(" in early) == resident
        assert ("slab(" in late) != resident


def test_elements_that_are_tied_otherwise_are_not_shared():
    normed = kernel_of(make_cell("LayerNormLSTM", 3, 5), 3).programs["forward"]
    assert shared_source(with_exchange(normed), "float32", "ieee", True) is None
    assert shared(lambda h, x: torch.tanh(h[:, 2:] @ W[:4] + x)) is not None
    assert shared(lambda h, x: torch.tanh(h @ W + x).roll(1, -1)) is None
