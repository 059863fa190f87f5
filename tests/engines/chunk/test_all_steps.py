from __future__ import annotations

from ostinato.cells import make_cell
from ostinato.engines.chunk.all_steps import AllSteps
from ostinato.wrap import MixedPrecision, Zoneout


def test_cells_of_a_matrix_and_what_reads_them_in_another_precision():
    cell = make_cell("DeltaNet", 3, 4)
    assert isinstance(cell, AllSteps)
    assert MixedPrecision(cell).matrices() is cell
    assert MixedPrecision(make_cell("GRU", 3, 4)).matrices() is None
    assert MixedPrecision(Zoneout(cell, 0.5)).matrices() is None
    assert not isinstance(Zoneout(cell, 0.5), AllSteps)


def test_a_wrapper_that_does_more_is_not_seen_through():
    class Louder(MixedPrecision):
        def wrapped_step(self, *given):
            y, state = super().wrapped_step(*given)
            return 2 * y, state

    assert Louder(make_cell("DeltaNet", 3, 4)).matrices() is None
