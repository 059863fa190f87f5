"""Recurrences inside torch.compile: same numbers, one graph for every length."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.state import leaves
from ostinato.engines.fused.toolchain import find_compiler
from ostinato.wrap import MixedPrecision, Zoneout

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiled(module, backend="aot_eager"):
    return torch.compile(module, fullgraph=True, backend=backend)


def reference(module):
    """The same parameters in a copy that runs on the reference engine."""
    copy = deepcopy(module)
    for each in copy.modules():
        if isinstance(each, ost.RNN):
            each.engine = "reference"
    return copy


def outcome(function, module, x, **options):
    """Results, and the gradients of the input and all parameters."""
    torch.manual_seed(7)
    results = [leaf for leaf in leaves(function(x, **options)) if leaf.is_floating_point()]
    loss = torch.stack([(each * each + each).sum() for each in results]).sum()
    return results, torch.autograd.grad(loss, [x, *module.parameters()])


def assert_as_reference(function, module, x, **options):
    plain = reference(module)
    expected = outcome(plain, plain, x, **options)
    torch.testing.assert_close(outcome(function, module, x, **options), expected)


def test_one_graph_serves_all_lengths_and_batches():
    layer = ost.Stack(
        [
            ost.Bidirectional(make_cell("LSTM", 3, 4), make_cell("GRU", 3, 5), engine="fused"),
            ost.RNN(make_cell("GRU", 9, 4), "fused"),
        ]
    )
    function = compiled(layer)
    for call, (rows, steps) in enumerate([(3, 6), (2, 9), (5, 4), (4, 30)]):
        x = torch.randn(rows, steps, 3, requires_grad=True)
        lengths = torch.randint(1, steps + 1, (rows,))
        if call == 0:
            torch._dynamo.mark_dynamic(x, (0, 1))
            torch._dynamo.mark_dynamic(lengths, 0)
        with torch._dynamo.config.patch(error_on_recompile=call > 0):
            assert_as_reference(function, layer, x, lengths=lengths)


def test_unmarked_lengths_cost_one_more_graph():
    layer = ost.RNN(make_cell("GRU", 3, 4))
    function = compiled(layer)
    with torch.no_grad():
        for call, steps in enumerate([6, 9, 4, 30]):
            x = torch.randn(2, steps, 3)
            with torch._dynamo.config.patch(error_on_recompile=call > 1):
                torch.testing.assert_close(function(x)[0], reference(layer)(x)[0])


def test_states_resets_and_noise_in_double_precision():
    layer = ost.RNN(Zoneout(make_cell("LSTM", 3, 4), 0.5), "fused", reverse=True).double()
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    state = (torch.randn(2, 4, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64))
    options = {"resets": torch.rand(2, 6) < 0.3, "state": state, "return_states": True}
    options["noise"] = layer.sample_noise(2, 6)
    assert_as_reference(compiled(layer), layer, x, **options)


def test_mixed_precision_under_autocast():
    layer = ost.RNN(MixedPrecision(make_cell("GRU", 3, 4)), "fused").bfloat16()
    x = torch.randn(2, 6, 3).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = outcome(compiled(layer), layer, x)
        torch.testing.assert_close(found, outcome(layer, layer, x), rtol=0.02, atol=0.01)


class Attributes(ost.Cell):
    """Reads numbers, a flag and a tensor that is no parameter."""

    def __init__(self):
        super().__init__()
        self.leak, self.times, self.flag = 0.5, 1, None
        self.recur = torch.randn(3, 3)

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 3)

    def forward(self, x, h):
        new = self.leak * h + self.times * torch.tanh(x + h @ self.recur)
        return (new if self.flag is None else -new), new


def test_a_graph_is_kept_to_the_attributes_of_its_cell():
    layer, x = ost.RNN(Attributes(), "fused"), torch.randn(2, 4, 3)
    function = compiled(layer)
    for name, value in (("leak", 0.5), ("leak", 0.25), ("times", 2), ("flag", True)):
        setattr(layer.cell, name, value)
        torch.testing.assert_close(function(x), reference(layer)(x))
    layer.cell.recur.mul_(0.5)
    torch.testing.assert_close(function(x), reference(layer)(x))


class Scanned(nn.Module):
    """`scan` of a module, or of a plain function that uses it."""

    def __init__(self, plain, engine):
        super().__init__()
        self.step, self.plain, self.engine = Step(), plain, engine

    def forward(self, x):
        step = (lambda h, u: self.step(h, u)) if self.plain else self.step
        return ost.scan(step, x.new_zeros(x.shape[0], 3), x, dim=1, engine=self.engine)


class Step(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, h, x):
        new = torch.tanh(self.linear(h) + x)
        return new, new * 2


@pytest.mark.parametrize(("plain", "engine"), [(False, "fused"), (True, "auto")])
def test_scan(plain, engine):
    module, x = Scanned(plain, engine), torch.randn(2, 4, 3, requires_grad=True)
    expected = outcome(Scanned.forward.__get__(module), module, x)
    torch.testing.assert_close(outcome(compiled(module), module, x), expected)


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda: Scanned(True, "fused"), {}, "only that of a module"),
        (lambda: ost.RNN(make_cell("GRU", 3, 4), "fused"), {"checkpoint": 2}, "windows"),
        (lambda: ost.RNN(make_cell("LSTM", 3, 4), "torch"), {}, "no operation"),
        (lambda: ost.RNN(make_cell("LSTM", 3, 4), "fussed"), {}, "Did you mean 'fused'"),
    ],
)
def test_a_named_engine_that_cannot_says_so(make, options, words):
    with pytest.raises(Exception, match=words) as caught:
        compiled(make())(torch.randn(2, 4, 3), **options)
    assert "EngineError" in str(caught.value)


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")
def test_inductor_trains_a_model():
    model = nn.Sequential(nn.Linear(3, 3), ost.GRU(3, 4, batch_first=True, engine="fused"))
    x = torch.randn(2, 5, 3, requires_grad=True)
    # torch reads $CXX when it is imported, which may be in a test that takes the compiler away.
    with torch._inductor.config.patch({"cpp.cxx": (None, *find_compiler())}):
        assert_as_reference(compiled(model, "inductor"), model, x)
