import gc

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato import wrap
from ostinato.cells import cell_names, make_cell
from ostinato.core.errors import ArgumentError, CellError
from ostinato.core.state import leaves
from ostinato.train import checkpoint
from ostinato.train.rtrl.learner import RTRL, Carried

F64 = torch.float64


def shaken(name, *sizes, dtype=F64, **options):
    torch.manual_seed(0)
    cell = make_cell(name, *sizes, dtype=dtype, **options)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return cell


def through_all_time(rnn, x, weights, **masks):
    y, _ = rnn(x, **masks)
    found = torch.autograd.grad((y * weights).sum(), list(rnn.parameters()), allow_unused=True)
    pairs = zip(found, rnn.parameters(), strict=True)
    return [torch.zeros_like(p) if g is None else g for g, p in pairs]


def forward_in_time(learner, x, weights, segments, lengths=None, resets=None):
    start, carried = 0, None
    found = [torch.zeros_like(p) for p in learner.rnn.parameters()]
    for size in segments:
        own = slice(start, start + size)
        left = None if lengths is None else (lengths - start).clamp(0, size)
        new = None if resets is None else resets[:, own]
        y, carried = learner(x[:, own], carried, left, new)
        loss = (y * weights[:, own]).sum()
        for total, g in zip(
            found,
            torch.autograd.grad(loss, list(learner.rnn.parameters()), allow_unused=True),
            strict=True,
        ):
            total += 0 if g is None else g
        start += size
    return found, carried


def compare(cell, segments, size=3, **masks):
    rnn, steps = ost.RNN(cell), sum(segments)
    x = torch.randn(2, steps, size, dtype=F64)
    weights = torch.randn_like(rnn(x)[0])
    expected = through_all_time(rnn, x, weights, **masks)
    found, _ = forward_in_time(RTRL(rnn), x, weights, segments, **masks)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


# One of a kind; all shipped cells are compared entry by entry in tests/compiler.
KINDS = ["ELSTM", "Elman", "GRU", "LSTM", "LRU", "LayerNormElman", "MinGRU", "ParaLSTM", "S5"]


@pytest.mark.parametrize(
    "name",
    [
        name if name in KINDS else pytest.param(name, marks=pytest.mark.slow)
        for name in cell_names()
    ],
)
def test_of_every_cell_the_gradient_is_that_of_backpropagation(name):
    compare(shaken(name, 3, 4), [1, 1, 3, 2])


@pytest.mark.parametrize("name", ["ParaGRU", "ParaLSTM", "LSTM"])
def test_lengths_and_resets(name):
    resets = torch.zeros(2, 7, dtype=torch.bool)
    resets[0, 2] = resets[1, 5] = True
    compare(shaken(name, 3, 4), [3, 1, 3], lengths=torch.tensor([5, 7]), resets=resets)


def test_heads_are_kept_apart():
    cell = shaken("SLSTM", 3, 8, heads=4)
    compare(cell, [1, 2, 2])
    learner = RTRL(ost.RNN(cell))
    assert learner.cost(torch.zeros(1, 1, 3, dtype=F64)) < 0.3 * RTRL(
        ost.RNN(shaken("SLSTM", 3, 8))
    ).cost(torch.zeros(1, 1, 3, dtype=F64))


def test_a_cell_of_ones_own_and_a_wrapped_one():
    class Leaky(ost.Cell):
        def __init__(self):
            super().__init__()
            self.input = nn.Linear(3, 4, dtype=F64)
            self.rate = nn.Parameter(torch.randn(4, dtype=F64))

        def initial_state(self, batch_size):
            return {"h": self.zeros(batch_size, 4)}

        def forward(self, x, state):
            a = torch.sigmoid(self.rate)
            h = a * state["h"] + (1 - a) * torch.tanh(self.input(x) * state["h"] + x[:, :1])
            return h.square(), {"h": h}

    torch.manual_seed(0)
    compare(Leaky(), [2, 1, 2])
    compare(wrap.Residual(shaken("Elman", 4, 4)), [2, 1, 2], size=4)


def test_an_element_by_element_cell_keeps_a_number_for_each_parameter():
    x = torch.zeros(1, 1, 3)
    for name, leaf_count in (("ParaGRU", 1), ("ParaLSTM", 2)):
        cell = make_cell(name, 3, 16)
        learner = RTRL(ost.RNN(cell))
        assert learner.cost(x) == leaf_count * sum(p.numel() for p in cell.parameters())


def test_outputs_and_states_are_those_of_the_layer():
    rnn = ost.RNN(shaken("LSTM", 3, 4))
    x = torch.randn(2, 6, 3, dtype=F64)
    expected, last = rnn(x)
    learner = RTRL(rnn)
    first, carried = learner(x[:, :2])
    second, carried = learner(x[:, 2:], carried)
    torch.testing.assert_close(torch.cat([first, second], 1), expected)
    for a, b in zip(leaves(carried.state), leaves(last), strict=True):
        torch.testing.assert_close(a, b)
        assert not a.requires_grad


def test_the_gradient_of_the_inputs_is_that_of_the_segment():
    rnn = ost.RNN(shaken("ParaGRU", 3, 4))
    x = torch.randn(2, 6, 3, dtype=F64, requires_grad=True)
    learner = RTRL(rnn)
    _, carried = learner(x[:, :2])
    y, _ = learner(x[:, 2:], carried)
    (got,) = torch.autograd.grad(y.sum(), x)
    state = carried.state
    (expected,) = torch.autograd.grad(rnn(x[:, 2:], state)[0].sum(), x)
    torch.testing.assert_close(got, expected)


def test_truncated_is_backpropagation_through_the_segment():
    rnn = ost.RNN(shaken("ParaGRU", 3, 4))
    x, weights = torch.randn(2, 6, 3, dtype=F64), torch.randn(2, 6, 4, dtype=F64)
    found, _ = forward_in_time(RTRL(rnn, "truncated"), x, weights, [3, 3])
    with torch.no_grad():
        state = rnn(x[:, :3])[1]
    parts = ((x[:, :3], None, weights[:, :3]), (x[:, 3:], state, weights[:, 3:]))
    loss = sum((rnn(part, h)[0] * w).sum() for part, h, w in parts)
    expected = torch.autograd.grad(loss, list(rnn.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def stack_of(*names):
    return ost.Stack([ost.RNN(shaken(n, 3 if not i else 4, 4)) for i, n in enumerate(names)])


def test_of_a_stack_the_last_layer_is_exact_and_those_below_are_truncated():
    stack, x = stack_of("ParaGRU", "ELSTM"), torch.randn(2, 6, 3, dtype=F64)
    weights = torch.randn(2, 6, 4, dtype=F64)
    y, _ = stack(x)
    whole = torch.autograd.grad((y * weights).sum(), list(stack.parameters()))
    learner, carried, total = RTRL(stack), None, [torch.zeros_like(g) for g in whole]
    for own in (slice(0, 2), slice(2, 6)):
        y, carried = learner(x[:, own], carried)
        found = torch.autograd.grad((y * weights[:, own]).sum(), list(stack.parameters()))
        total = [a + b for a, b in zip(total, found, strict=True)]
    names = [name for name, _ in stack.named_parameters()]
    for name, a, b in zip(names, total, whole, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12) == name.startswith("layers.1"), name


def test_as_one_cell_a_stack_is_exact():
    compare(wrap.Stacked([shaken("ParaGRU", 3, 4), shaken("ELSTM", 4, 4)]), [2, 1, 3])


def test_what_is_carried_fades():
    rnn, x = ost.RNN(shaken("ParaGRU", 3, 4)), torch.randn(2, 4, 3, dtype=F64)
    weights = torch.randn(2, 4, 4, dtype=F64)
    none, half, all_of_it = (
        torch.cat([g.flatten() for g in forward_in_time(learner, x, weights, [2, 2])[0]])
        for learner in (RTRL(rnn, decay=0), RTRL(rnn, decay=0.5), RTRL(rnn))
    )
    torch.testing.assert_close(half, (none + all_of_it) / 2)
    truncated, _ = forward_in_time(RTRL(rnn, "truncated"), x, weights, [2, 2])
    torch.testing.assert_close(none, torch.cat([g.flatten() for g in truncated]))


def test_under_autocast_sensitivities_stay_float32():
    rnn = ost.RNN(shaken("ELSTM", 3, 4, dtype=torch.float32))
    x, weights = torch.randn(2, 6, 3), torch.randn(2, 6, 4)
    expected, _ = forward_in_time(RTRL(rnn), x, weights, [3, 1, 2])
    with torch.autocast("cpu", torch.bfloat16):
        found, carried = forward_in_time(RTRL(rnn), x, weights, [3, 1, 2])
    assert {s.dtype for s in carried.kept} == {torch.float32}
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.05)


def test_saved_between_segments_it_goes_on_as_if_never_stopped(tmp_path):
    stack, x = stack_of("LSTM", "ParaGRU"), torch.randn(2, 5, 3, dtype=F64)
    learner = RTRL(stack)
    _, carried = learner(x[:, :3])
    checkpoint.save(tmp_path, 3, {"carried": tuple(carried)})
    loaded = Carried(*checkpoint.load(checkpoint.latest(tmp_path))["carried"])
    gradients = []
    for each, own in ((carried, learner), (loaded, RTRL(stack))):
        y, _ = own(x[:, 3:], each)
        gradients.append(torch.autograd.grad(y.square().sum(), list(stack.parameters())))
    assert all(map(torch.equal, *gradients))


def test_without_gradients_wanted_only_the_rest_is_learned():
    cell = shaken("ParaGRU", 3, 4)
    cell.input.weight.requires_grad_(False)
    learner = RTRL(ost.RNN(cell))
    x = torch.randn(2, 3, 3, dtype=F64)
    _, carried = learner(x)
    y, _ = learner(x, carried)
    y.sum().backward()
    assert cell.input.weight.grad is None
    assert cell.input.bias.grad.any()


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ArgumentError, match="Did you mean 'exact'"):
        RTRL(ost.RNN(make_cell("GRU", 3, 4)), "exakt")
    with pytest.raises(ArgumentError, match="must be at least 1; got 0"):
        RTRL(ost.RNN(make_cell("GRU", 3, 4)), "snap", 0)
    with pytest.raises(ArgumentError, match="reverse"):
        RTRL(ost.RNN(make_cell("GRU", 3, 4), reverse=True))
    learned = ost.RNN(make_cell("GRU", 3, 4), learn_initial_state=True)
    with pytest.raises(ArgumentError, match="initial state that is learned"):
        RTRL(learned)(torch.zeros(1, 2, 3))
    with pytest.raises(ArgumentError, match=r"decay must be in \[0, 1\]; got 2"):
        RTRL(ost.RNN(make_cell("GRU", 3, 4)), decay=2)
    with pytest.raises(ArgumentError, match=r"without dropout; got 0\.5"):
        RTRL(ost.Stack([ost.RNN(make_cell("GRU", 3, 4))], dropout=0.5))
    noisy = ost.RNN(wrap.Zoneout(make_cell("GRU", 3, 4), 0.1))
    with pytest.raises(ArgumentError, match="draws no noise"):
        RTRL(noisy)(torch.zeros(1, 2, 3))


def test_a_constant_that_is_not_followed_is_named():
    class Gathered(ost.Cell):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.randn(2, 4))

        def initial_state(self, batch_size):
            return self.zeros(batch_size, 4)

        def forward(self, x, h):
            h = 0.5 * h + self.table[(x[:, 0] > 0).long()]
            return h, h

    with pytest.raises(CellError, match=r"cannot follow Gathered: a constant of shape \[2, 4\]"):
        RTRL(ost.RNN(Gathered()))(torch.zeros(1, 2, 3))


@pytest.mark.parametrize("steps", [10**4, pytest.param(10**6, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_steps(steps):
    rnn, segment = ost.RNN(shaken("ParaGRU", 2, 4)), 100
    learner, carried, counted = RTRL(rnn), None, []
    # Held, so that what other tests left behind stays, and no new tensor takes its place.
    others = tensors()
    for step in range(0, steps, segment):
        y, carried = learner(torch.randn(1, segment, 2, dtype=F64), carried)
        y.sum().backward()
        if step in (steps // 5, steps - segment):
            counted.append(sizes_beside(others))
    early, late = counted
    assert early == late
    assert len(early) >= len(leaves(tuple(carried)))
    assert all(not leaf.requires_grad for leaf in leaves(tuple(carried)))
    assert all(leaf.isfinite().all() for leaf in leaves(tuple(carried)))


def tensors():
    """All that are alive; a graph that grew would hold more and more."""
    gc.collect()
    return [each for each in gc.get_objects() if type(each) is torch.Tensor]


def sizes_beside(others):
    """Of the tensors that are no others, without holding one of them."""
    known = {id(each) for each in others}
    return sorted(each.numel() for each in tensors() if id(each) not in known)
