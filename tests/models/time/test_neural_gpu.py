"""The Neural GPU."""

import pytest
import torch

from ostinato.models.time.neural_gpu import ConvolutionalGRU, NeuralGPU


def test_as_many_steps_as_symbols():
    torch.manual_seed(0)
    net = NeuralGPU(3, 2, maps=4, layers=2, width=3)
    symbols = torch.tensor([[0, 2, 1, 1, 0]])
    image = torch.zeros(1, 4, 3, 5)
    image[:, :, 0] = net.embedding(symbols).transpose(1, 2)
    for _ in range(5):
        for layer in net.step.layers:
            image = layer(image)
    torch.testing.assert_close(net(symbols), net.head(image[:, :, 0].transpose(1, 2)))


def test_gates_close_entirely():
    layer = ConvolutionalGRU(2, bias=100.0)
    with torch.no_grad():
        layer.gates.weight.zero_()
    image = torch.randn(1, 2, 3, 4)
    assert torch.equal(layer(image), image)


def test_one_layer_by_its_equation():
    torch.manual_seed(1)
    layer = ConvolutionalGRU(1, kernel=1)
    s = torch.randn(1, 1, 2, 2)
    (wu, wr), (bu, br) = layer.gates.weight.flatten(), layer.gates.bias
    gate = lambda z: (1.2 * torch.sigmoid(z) - 0.1).clamp(0, 1)  # noqa: E731
    u, r = gate(wu * s + bu), gate(wr * s + br)
    new = torch.tanh(layer.candidate.weight.item() * r * s + layer.candidate.bias.item())
    torch.testing.assert_close(layer(s), u * s + (1 - u) * new)


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_gradients_reach_all_parameters(engine):
    torch.manual_seed(0)
    net = NeuralGPU(3, 2, maps=4, engine=engine)
    net(torch.randint(3, (2, 6))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
