from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.neural_turing_machine import (
    NeuralTuringMachineCell,
    content,
    sharpen,
    shift,
)
from ostinato.core.state import leaves

F64 = torch.float64
NEVER, ALWAYS = -60.0, 60.0


def cell_of(**options):
    sizes = {"locations": 6, "width": 3, "dtype": F64} | options
    return NeuralTuringMachineCell(4, 5, **sizes)


@pytest.mark.parametrize("heads", [(1, 1), (2, 3)])
@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_addresses_lie_on_the_simplex(heads, controller):
    cell = cell_of(read_heads=heads[0], write_heads=heads[1], controller=controller)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=2.0)
    x = torch.randn(3, 9, 4, dtype=F64)
    y, _, states = ost.RNN(cell, "reference")(x, return_states=True)
    assert y.shape == (3, 9, 5 + 3 * heads[0])
    assert states.addresses.shape == (3, 9, sum(heads), 6)
    assert bool((states.addresses >= 0).all())
    torch.testing.assert_close(states.addresses.sum(-1), torch.ones(3, 9, sum(heads), dtype=F64))


def test_a_strong_key_finds_the_location_that_is_most_like_it():
    memory, key = torch.randn(3, 6, 4), torch.randn(3, 2, 4)
    found = content(memory, key, torch.full((3, 2, 1), 1e4))
    cosine = torch.nn.functional.cosine_similarity(key[:, :, None], memory[:, None], dim=-1)
    assert torch.equal(found.argmax(-1), cosine.argmax(-1))
    torch.testing.assert_close(found.amax(-1), torch.ones(3, 2))
    torch.testing.assert_close(
        content(memory, key, torch.zeros(3, 2, 1)), torch.full((3, 2, 6), 1 / 6)
    )


def test_a_key_or_a_memory_of_zeros_has_a_finite_gradient():
    memory, key = torch.zeros(1, 6, 4, requires_grad=True), torch.zeros(1, 1, 4, requires_grad=True)
    content(memory, key, torch.ones(1, 1, 1)).square().sum().backward()
    assert bool(memory.grad.isfinite().all() and key.grad.isfinite().all())


@pytest.mark.parametrize("move", [-1, 0, 1])
def test_a_shift_is_a_circular_convolution(move):
    addresses = torch.rand(2, 1, 5)
    kernel = torch.zeros(2, 1, 3)
    kernel[..., move + 1] = 1
    for i in range(5):
        torch.testing.assert_close(shift(addresses, kernel)[..., (i + move) % 5], addresses[..., i])
    kernel = torch.rand(2, 1, 3)
    s = {-1: kernel[..., 0], 0: kernel[..., 1], 1: kernel[..., 2], 4: kernel[..., 0]}
    s |= {-4: kernel[..., 2]}
    direct = [
        sum(addresses[..., j] * s.get(i - j, torch.zeros(1)) for j in range(5)) for i in range(5)
    ]
    torch.testing.assert_close(shift(addresses, kernel), torch.stack(direct, -1))


def test_sharpening_is_a_normalised_power():
    addresses = torch.rand(2, 1, 5, dtype=F64).softmax(-1)
    power = torch.tensor([1.0, 3.0], dtype=F64).view(2, 1, 1)
    expected = addresses**power / (addresses**power).sum(-1, keepdim=True)
    torch.testing.assert_close(sharpen(addresses, power), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(addresses[0], sharpen(addresses, power)[0], atol=1e-6, rtol=0)
    pointed = sharpen(addresses, torch.full((2, 1, 1), 1e4, dtype=F64))
    torch.testing.assert_close(pointed.amax(-1), torch.ones(2, 1, dtype=F64))


def set_heads(cell, bias):
    """The same address parameters at every step, whatever the controller says."""
    with torch.no_grad():
        cell.address.weight.zero_()
        cell.address.bias.view(-1, cell.width + 6)[:, cell.width :] = torch.tensor(bias, dtype=F64)


def test_a_closed_gate_and_a_shift_turn_the_addresses():
    cell = cell_of()
    set_heads(cell, [0, NEVER, NEVER, NEVER, ALWAYS, 50])
    _, _, states = ost.RNN(cell, "reference")(torch.randn(2, 8, 4, dtype=F64), return_states=True)
    turned = [1, 2, 3, 4, 5, 0, 1, 2]
    assert states.addresses.argmax(-1).tolist() == [[[i, i] for i in turned]] * 2
    torch.testing.assert_close(states.addresses.amax(-1), torch.ones(2, 8, 2, dtype=F64))


@pytest.mark.parametrize("read_first", [False, True])
def test_erase_and_add_replace_what_is_at_a_pointed_address(read_first):
    cell = cell_of(read_first=read_first)
    set_heads(cell, [0, NEVER, NEVER, ALWAYS, NEVER, 0])
    with torch.no_grad():
        cell.write.weight.zero_()
        cell.write.bias[:3] = ALWAYS
        cell.write.bias[3:] = torch.tensor([0.1, -0.2, 3.0])
    first = cell.initial_state(2)
    y, state = cell(torch.randn(2, 4, dtype=F64), first)
    added = torch.tanh(cell.write.bias[3:]).expand(2, 3)
    torch.testing.assert_close(state.memory[:, 0], added, atol=1e-6, rtol=0)
    torch.testing.assert_close(state.memory[:, 1:], first.memory[:, 1:], atol=1e-6, rtol=0)
    seen = first.memory[:, 0] if read_first else added
    torch.testing.assert_close(y[:, 5:], seen, atol=1e-6, rtol=0)


def hand_wired(bits, locations):
    """A net that copies: input (±1 bits, "write", "read"); both heads walk on when they work."""
    cell = NeuralTuringMachineCell(bits + 2, bits + 2, locations=locations, width=bits, dtype=F64)
    write, read = bits, bits + 1
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.controller.input.weight[:, : bits + 2] = torch.eye(bits + 2)
        reading, writing = cell.address.weight.view(2, bits + 6, bits + 2)
        on = bits + 4
        reading[on, read] = writing[on, write] = 2 * ALWAYS
        gates = cell.address.bias.view(2, bits + 6)
        gates[:, bits + 1], gates[:, bits + 3], gates[:, bits + 5] = NEVER, ALWAYS, 50
        gates[:, [bits + 2, on]] = NEVER / 2
        cell.write.weight[:bits, write] = 2 * ALWAYS
        cell.write.bias[:bits] = NEVER
        cell.write.weight[bits:, :bits] = 10 * torch.eye(bits)
    return cell


@pytest.mark.parametrize("length", [1, 7, 20])
def test_a_program_wired_by_hand_copies_any_sequence(length):
    bits = 4
    vectors = 2.0 * torch.randint(2, (5, length, bits)).to(F64) - 1
    x = torch.zeros(5, 2 * length, bits + 2, dtype=F64)
    x[:, :length, :bits], x[:, :length, bits] = vectors, 5
    x[:, length:, bits + 1] = 5
    cell = hand_wired(bits, 20)
    first = cell.initial_state(5)
    # One step before the first location, so that the first step lands there.
    first = first._replace(addresses=first.addresses.roll(-1, -1))
    y, _ = ost.RNN(cell, "reference")(x, first)
    torch.testing.assert_close(y[:, length:, bits + 2 :], vectors, atol=1e-4, rtol=0)


def test_it_begins_anew_and_on_the_first_location():
    cell = cell_of()
    a, b = cell.initial_state(2), cell.initial_state(2)
    assert all(torch.equal(x, y) for x, y in zip(leaves(a), leaves(b), strict=True))
    assert bool((a.memory == 1e-6).all())
    assert bool((a.addresses[..., 0] == 1).all())


def test_generated_code_agrees_in_outputs_and_gradients(quick_compile):
    cell, x = cell_of(locations=4, width=2), torch.randn(2, 5, 4, dtype=F64)
    found = []
    for engine in ("reference", "fused"):
        y, state = ost.RNN(cell, engine)(x)
        loss = torch.stack([leaf.square().sum() for leaf in (y, *leaves(state))]).sum()
        found.append([y, *torch.autograd.grad(loss, cell.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"locations": 0}, "got 0, 3, 1 and 1"), ({"controller": "gru"}, "'feedforward', 'lstm'")],
)
def test_bad_options(options, words):
    with pytest.raises(ost.OstinatoError, match=words):
        cell_of(**options)
