"""One system, three views: recurrence, convolution, and other step lengths."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.lssl import LSSLCell
from ostinato.core.errors import ArgumentError, EngineError, ShapeError
from ostinato.models.time.lssl_layer import LSSL

F64 = torch.float64

pytestmark = pytest.mark.usefixtures("quick_compile")


def cell(**options):
    torch.manual_seed(0)
    return LSSLCell(3, 4, **{"state_size": 6, "channels": 2, "dtype": F64, **options})


def outcome(layer, x, state, lengths=None):
    """Outputs, last state, and the gradients of input, state and parameters."""
    inputs = [each.clone().requires_grad_() for each in (x, state) if each is not None]
    y, last = layer(*inputs, lengths=lengths)
    loss = y.square().sum() + last.sin().sum()
    learned = [p for p in layer.parameters() if p.requires_grad]
    return [y, last, *torch.autograd.grad(loss, [*inputs, *learned])]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [17, 5, 0]])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"discretisation": "euler", "step_max": 1e-2},
        {},
        {"discretisation": "backward_euler", "learn": "separate"},
        {"discretisation": "zoh", "measure": "fout"},
        {"discretisation": 0.3, "learn": "fixed", "learn_step": False},
    ],
    ids=lambda options: str(options.get("discretisation")),
)
def test_convolution_equals_recurrence(options, given, lengths, reverse):
    system, x = cell(**options), torch.randn(3, 17, 3, dtype=F64)
    state = torch.randn(3, 4, 6, dtype=F64) if given else None
    views = [
        outcome(LSSL(system, *view, reverse=reverse), x, state, lengths)
        for view in (("convolution",), ("recurrence", "reference"))
    ]
    for a, b in zip(*views, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_the_naive_sum_of_kernels():
    system, x = cell(), torch.randn(2, 9, 3, dtype=F64)
    held, hold = system.discretised()
    u, y = system.input(x), LSSL(system, "convolution")(x)[0].unflatten(-1, (4, 2))
    for t in range(9):
        expected = system.D * u[:, t, :, None]
        for i in range(t + 1):
            power = torch.linalg.matrix_power(held, i)
            kernel = (system.C @ power @ hold[..., None])[..., 0]
            expected = expected + kernel * u[:, t - i, :, None]
        torch.testing.assert_close(y[:, t], expected, atol=1e-12, rtol=0)


def test_two_parts_are_the_whole_and_steps_are_too():
    layer, x = LSSL(cell()), torch.randn(2, 12, 3, dtype=F64)
    whole, last = layer(x)
    first, state = layer(x[:, :5])
    second, after = layer(x[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(after, last)
    for layer_of_steps in (layer, layer.discrete()):
        state = None
        for t in range(12):
            y, state = layer_of_steps.step(x[:, t], state)
            torch.testing.assert_close(y, whole[:, t])
        torch.testing.assert_close(state, last)


def test_half_the_step_and_every_input_twice_is_the_same_to_second_order():
    system, errors = cell(learn="fixed", channels=1), []
    system.D.data.zero_()
    for step in (0.02, 0.01):
        system.log_step.data.fill_(step).log_()
        t = step * torch.arange(int(10 / step), dtype=F64)
        x = torch.sin(t)[None, :, None].square().expand(-1, -1, 3)
        system.resample(1.0)
        once = LSSL(system)(x)[0]
        system.resample(0.5)
        twice = LSSL(system)(x.repeat_interleave(2, 1))[0][:, 1::2]
        errors.append(((once - twice).norm() / once.norm()).item())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_stacked_with_a_nonlinearity_between_they_are_picard_iterates():
    """Of x' = −x + f(x) by backward Euler, whose equation the limit satisfies."""
    leak = (torch.tensor([[-1.0]]), torch.ones(1))
    system = LSSLCell(
        2,
        2,
        state_size=1,
        measure=leak,
        learn="fixed",
        discretisation="backward_euler",
        project=False,
        dtype=F64,
    )
    layer, u = LSSL(system), torch.randn(3, 40, 2, dtype=F64)
    with torch.no_grad():
        system.C.fill_(1)
        system.D.zero_()
        x = torch.zeros_like(u)
        for _ in range(40):
            forced = torch.tanh(0.8 * x + u)
            x = layer(forced)[0]
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        slope = (x - before) / system.step_size
    torch.testing.assert_close(slope, torch.tanh(0.8 * x + u) - x, atol=1e-9, rtol=0)


@pytest.mark.parametrize("measure", ["legs", "legt", "lagt"])
def test_the_structured_path_is_the_dense_one(measure):
    system, x = cell(measure=measure, learn="separate"), torch.randn(2, 9, 3, dtype=F64)
    views = [outcome(LSSL(system, structured=way), x, None) for way in (True, False)]
    for a, b in zip(*views, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


def test_nan_in_padding_reaches_nothing():
    layer, x = LSSL(cell()), torch.randn(2, 6, 3, dtype=F64)
    x[1, 3:] = torch.nan
    y, state = layer(x, lengths=[6, 3])
    assert not y[1, 3:].any()
    (y.sum() + state.sum()).backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_what_no_convolution_can_do_goes_to_the_recurrence():
    layer, x = LSSL(cell()), torch.randn(2, 8, 3, dtype=F64)
    resets = torch.zeros(2, 8, dtype=torch.bool)
    resets[:, 5] = True
    torch.testing.assert_close(layer(x, resets=resets)[0][:, 5:], layer(x[:, 5:])[0])
    y, _, states = layer(x, return_states=True)
    torch.testing.assert_close(y, layer(x)[0])
    assert states.shape == (2, 8, 4, 6)
    torch.testing.assert_close(layer(x, checkpoint=True)[0], y)
    assert layer(x[:, :0])[0].shape == (2, 0, 8)
    with pytest.raises(EngineError, match="resets put the state back inside a row"):
        LSSL(layer.cell, "convolution")(x, resets=resets)


def test_what_is_fixed_is_computed_once_until_it_changes():
    system = cell(learn="fixed", learn_step=False)
    layer, x = LSSL(system), torch.randn(2, 8, 3, dtype=F64)
    with torch.inference_mode():
        layer(x)
    kept = layer.vectors(8)[1]
    layer(x)[0].sum().backward()
    assert layer.vectors(8)[1] is kept
    changes = [
        lambda: system.resample(2.0),
        lambda: system.log_step.copy_(system.log_step - 1),
        lambda: system.system.A.mul_(0.5),
        lambda: layer.to(torch.float32),
    ]
    for change in changes:
        with torch.no_grad():
            change()
        now = layer.vectors(8)[1]
        assert now is not kept
        torch.testing.assert_close(now, layer._vectors(8)[1])
        kept = now
    assert layer.vectors(5)[1].shape[-1] == 5


def test_what_is_learned_is_computed_anew():
    layer = LSSL(cell(learn="fixed"))
    assert layer.vectors(4)[1] is not layer.vectors(4)[1]


def test_autocast_rounds_neither_view():
    system = LSSLCell(4, 4, project=False)
    layer, x = LSSL(system, "convolution"), torch.randn(2, 30, 4)
    exact = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x), exact)


def test_ragged_forms_of_input():
    layer, x = LSSL(cell()), torch.randn(3, 7, 3, dtype=F64)
    joined = torch.cat([x[0, :4], x[1, :7]])[None]
    y, state = layer(joined, cu_seqlens=torch.tensor([0, 4, 11]))
    torch.testing.assert_close(y[0, :4], layer(x[:1, :4])[0][0])
    torch.testing.assert_close(state[1:], layer(x[1:2])[1])


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="mode must be one of"):
        LSSL(cell(), "conv")
    with pytest.raises(ArgumentError, match="structured=True needs a learned A"):
        LSSL(cell(learn="fixed"), structured=True)
    with pytest.raises(ArgumentError, match="got discretisation='zoh'"):
        LSSL(cell(learn="shared", discretisation="zoh"), structured=True)
    with pytest.raises(EngineError, match="no Fourier transform of 16 bits"):
        LSSL(LSSLCell(3, 4), "convolution").bfloat16()(torch.randn(2, 5, 3).bfloat16())
    with pytest.raises(ShapeError, match="The given state is float64"):
        LSSL(cell())(torch.randn(2, 5, 3, dtype=F64), torch.zeros(2, 4, 5, dtype=F64))
