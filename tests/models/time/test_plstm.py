"""pLSTM over a sequence."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.models.time.plstm import LinePLSTM
from ostinato.models.tracking import Tracking

TRACKING = Tracking(states=3, keys=2, values=2, queries=2, outputs=3)


def layer_of(tracking=TRACKING, transition="svd", block=4, **options):
    torch.manual_seed(2)
    layer = LinePLSTM(6, 2, tracking, transition, block, dtype=torch.float64, **options)
    torch.nn.init.normal_(layer.gates.weight)
    torch.nn.init.normal_(layer.gates.bias)
    return layer


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def by_equation(layer, x, state):
    """The sheet of equations, step by step, before norm and output."""
    j, width = layer.tracking, layer.width
    parts = layer.input(x).unflatten(-1, (layer.heads, -1, width))
    q, k, v = parts.split([j.queries, j.keys, j.values], -2)
    t, s, m, d = (gate.transpose(1, 2) for gate in layer._gates(x))
    s = s.unflatten(-1, (j.keys, j.values))
    m = m.unflatten(-2, (j.outputs, j.queries))
    d = d.unflatten(-1, (j.keys, j.values)).unflatten(-3, (j.outputs, j.queries))
    outputs = []
    for n in range(x.shape[1]):
        now = [each[:, n] for each in (q, k, v, t, s, m, d)]
        qn, kn, vn, tn, sn, mn, dn = now
        read = torch.einsum("bhad,bhiaj,bhjdv->bhiv", qn, mn, state)
        own = torch.einsum("bhad,bhiaec,bhed,bhcv->bhiv", qn, dn, kn, vn)
        outputs.append((read + own) * width**-0.5)
        passed = torch.einsum("bhij,bhjdv->bhidv", tn, state)
        state = passed + torch.einsum("bhiec,bhed,bhcv->bhidv", sn, kn, vn)
    h = torch.stack(outputs, 1).flatten(-2)
    return layer.output(layer.norm(h).flatten(-2)), state


@pytest.mark.parametrize("block", [1, 4, 16])
def test_it_equals_its_equations(block):
    layer, x, state = layer_of(block=block), draw(2, 7, 6), draw(2, 2, 3, 3, 3)
    y, last, states = layer(x, state, return_states=True)
    expected, end = by_equation(layer, x, state)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(last, end)
    torch.testing.assert_close(states[:, -1], end)


def test_a_stream_equals_the_sequence():
    layer, x = layer_of(Tracking(), "diagonal"), draw(2, 5, 6)
    y, last, states = layer(x, return_states=True)
    state = None
    for t in range(5):
        y_t, state = layer.step(x[:, t], state)
        torch.testing.assert_close(y_t, y[:, t])
        torch.testing.assert_close(state, states[:, t])
    torch.testing.assert_close(state, last)


def test_padding_changes_nothing_even_if_it_is_nan():
    layer, x = layer_of(), draw(3, 6, 6)
    lengths = torch.tensor([6, 2, 0])
    for row, length in enumerate(lengths):
        x[row, length:] = float("nan")
    x.requires_grad_()
    y, last, states = layer(x, lengths=lengths, return_states=True)
    (gradient,) = torch.autograd.grad(y.sum() + last.sum(), x)
    assert gradient.isfinite().all()
    for row, length in enumerate(lengths.tolist()):
        alone, end = layer(x[row : row + 1, :length])
        torch.testing.assert_close(y[row : row + 1, :length], alone)
        torch.testing.assert_close(last[row : row + 1], end)
        torch.testing.assert_close(states[row, -1], end[0])
        assert not y[row, length:].any()


def test_a_reset_begins_a_new_sequence():
    layer, x = layer_of(), draw(2, 6, 6)
    resets = torch.zeros(2, 6, dtype=torch.bool)
    resets[0, 4] = True
    y, last = layer(x, draw(2, 2, 3, 3, 3), resets=resets)
    alone, end = layer(x[:1, 4:])
    torch.testing.assert_close(y[:1, 4:], alone)
    torch.testing.assert_close(last[:1], end)


def test_backwards_it_is_the_sequence_turned_round():
    along, against = layer_of(), layer_of(reverse=True)
    x, state = draw(3, 6, 6), draw(3, 2, 3, 3, 3)
    y, last, states = against(x, state, return_states=True)
    for found, expected in zip(
        (y, states), along(x.flip(1), state, return_states=True)[::2], strict=True
    ):
        torch.testing.assert_close(found, expected.flip(1))
    torch.testing.assert_close(last, states[:, 0])
    resets = torch.zeros(3, 6, dtype=torch.bool)
    resets[0, 4] = True
    x[1, 2:] = float("nan")
    y, last = against(x, lengths=[6, 2, 6], resets=resets)
    for row, begin, end in ((0, 0, 4), (0, 4, 6), (1, 0, 2)):
        alone, ahead = against(x[row : row + 1, begin:end])
        torch.testing.assert_close(y[row : row + 1, begin:end], alone)
        if begin == 0:
            torch.testing.assert_close(last[row : row + 1], ahead)
    both = ost.Bidirectional(layer_of(), against)
    assert both(draw(2, 5, 6))[0].shape == (2, 5, 12)


@pytest.mark.parametrize("every", [True, 3])
def test_states_that_are_computed_again_give_equal_gradients(every):
    layer, x, state = layer_of(), draw(2, 7, 6), draw(2, 2, 3, 3, 3)
    found, expected = (
        torch.autograd.grad(
            sum(each.square().sum() for each in layer(x, state, checkpoint=checkpoint)),
            list(layer.parameters()),
        )
        for checkpoint in (every, None)
    )
    torch.testing.assert_close(found, expected)


def test_queries_can_be_keys_and_have_a_scale():
    layer, tied = layer_of(Tracking(states=2)), layer_of(Tracking(states=2), tied=True, scale=1.0)
    assert tied.input.out_features == 2 * 6
    with torch.no_grad():
        k, v = tied.input.weight.unflatten(0, (2, 2, 3)).unbind(1)
        layer.input.weight.copy_(torch.stack([k * 3**0.5, k, v], 1).flatten(0, 2))
    rest = {name: p for name, p in tied.state_dict().items() if name != "input.weight"}
    layer.load_state_dict(rest, strict=False)
    x = draw(2, 5, 6)
    torch.testing.assert_close(tied(x)[0], layer(x)[0])


def test_gates_can_be_convolved_and_continue_in_a_stream():
    layer, x = layer_of(kernel=3), draw(3, 7, 6)
    y, last, states = layer(x, return_states=True)
    blind = layer_of()
    blind.load_state_dict({n: p for n, p in layer.state_dict().items() if "convolution" not in n})
    read = layer.convolution(x)[0]
    blind._gates = lambda _: layer._gates(read)
    torch.testing.assert_close(y, blind(x)[0])
    state = None
    for t in range(7):
        y_t, state = layer.step(x[:, t], state)
        torch.testing.assert_close(y_t, y[:, t])
        torch.testing.assert_close(state, tuple(leaf[:, t] for leaf in states))
    torch.testing.assert_close(state, last)
    # padding, and a sequence that begins within a row
    resets = torch.zeros(3, 7, dtype=torch.bool)
    resets[0, 4] = True
    x[1, 3:] = float("nan")
    y, last = layer(x, lengths=[7, 3, 7], resets=resets)
    for row, begin, end in ((0, 4, 7), (1, 0, 3)):
        alone, ahead = layer(x[row : row + 1, begin:end])
        torch.testing.assert_close(y[row : row + 1, begin:end], alone)
        torch.testing.assert_close(last[0][row], ahead[0][0])
        torch.testing.assert_close(last[1][row], ahead[1][0])


def test_gates_of_a_head_can_read_its_own_features():
    layer, x = layer_of(block_diagonal=True), draw(2, 5, 6)
    other = x.clone()
    other[..., 3:] += 1
    for gate, changed in zip(layer._gates(x), layer._gates(other), strict=True):
        torch.testing.assert_close(gate[:, 0], changed[:, 0])
        assert not gate[:, 1].isclose(changed[:, 1]).all()


def test_options_of_gates_that_read_nothing_are_refused():
    with pytest.raises(ArgumentError, match=r"leave out kernel and block_diagonal.* got kernel=3"):
        LinePLSTM(6, 2, weights=False, kernel=3)
    with pytest.raises(ArgumentError, match="block_diagonal=True"):
        LinePLSTM(6, 2, weights=False, block_diagonal=True)
    with pytest.raises(ArgumentError, match="sees the steps before"):
        LinePLSTM(6, 2, kernel=3, reverse=True)
    with pytest.raises(ArgumentError, match="kernel must be at least 1"):
        LinePLSTM(6, 2, kernel=0)


def test_it_compiles_to_one_graph():
    layer, x = layer_of(Tracking(), "diagonal", 2), draw(2, 2, 6)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))


def test_gates_can_be_biases_only():
    layer, x = LinePLSTM(6, 2, weights=False, dtype=torch.float64), draw(2, 5, 6)
    first, second = layer._gates(x), layer._gates(draw(2, 5, 6))
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    assert layer.gates.bias.numel() == 2 * 4
    layer(x)[0].sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_a_head_can_count_modulo_two():
    """A transition that swaps two states on a 1 is a state machine, which no decay is."""
    layer = layer_of(Tracking(states=2), "householder", block=8)
    bits = torch.tensor([[0, 1, 1, 0, 1, 1, 1, 0]])
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    turned = torch.where(bits[..., None, None] == 1, swap, torch.eye(2, dtype=torch.float64))
    t = turned[:, None].expand(-1, 2, -1, -1, -1)
    layer._gates = lambda x: (t, *LinePLSTM._gates(layer, x)[1:])
    with torch.no_grad():
        layer.input.weight.zero_()
    start = torch.zeros(1, 2, 2, 3, 3, dtype=torch.float64)
    start[:, :, 0] = 1
    states = layer(draw(1, 8, 6), start, return_states=True)[2]
    parity = bits.cumsum(1) % 2
    assert states[0, :, 0, 1, 0, 0].tolist() == parity[0].tolist()


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ArgumentError, match="heads must divide the size 6; got heads=4"):
        LinePLSTM(6, 4)
    with pytest.raises(ArgumentError, match="where they are as many; got 2 and 1"):
        LinePLSTM(6, 2, Tracking(queries=2), tied=True)
    with pytest.raises(ShapeError, match=r"The given state is float32\[2, 1, 3, 3\], expected"):
        LinePLSTM(6, 2)(torch.randn(2, 4, 6), torch.zeros(2, 1, 3, 3))
