"""What a kernel is told of memory, and how it reads it."""

from __future__ import annotations

from ostinato.engines.parallel.device.algebra import Algebra
from ostinato.engines.parallel.device.ports import Ports


def test_arguments():
    ports = Ports(Algebra(2), 2, "float32")
    assert ports.arguments("a") == [
        "a", "a_time", "a_lane_0", "a_lane_1", "a_row", "a_column",
    ]  # fmt: skip
    assert ports.arguments("b")[-1] == "b_row"
    assert ports.arguments("cut")[-1] == "cut_lane_1"
    assert Ports(Algebra(1), 1, "float32").arguments("a") == ["a", "a_time", "a_lane_0"]
    assert ports.sizes == ["lanes", "n_1"]


def test_loads_and_stores():
    ports = Ports(Algebra(1, complex=True), 1, "float64")
    loads = ports.load("a", "a", conjugate=True)
    assert loads["a_0_0_re"] == "tl.load(a, mask=live, other=0).to(tl.float64)"
    assert loads["a_0_0_im"] == "-tl.load(a + 1, mask=live, other=0).to(tl.float64)"
    assert ports.load("cut", "cut") == {"is_cut": "tl.load(cut, mask=live, other=0) != 0"}
    (line,) = Ports(Algebra(1), 1, "float32").store("out", "x")
    assert line == "tl.store(out, x_0, mask=live)"
    assert "out + 1 * out_row" in Ports(Algebra(2), 1, "float32").store("out", "x")[1]
