import pytest
import torch

from ostinato.analysis import analysis_names, analyze
from ostinato.analysis.lyapunov import LyapunovExponents
from ostinato.analysis.subject import Subject
from ostinato.core.errors import ArgumentError
from ostinato.tasks import make_task
from ostinato.train.build import Ports, build_model
from ostinato.train.config import TrainConfig


def layer_of(cell, folder):
    task = make_task("running_parity", held_out_steps=12)
    config = TrainConfig(
        out=folder, task="running_parity", cell=cell, hidden_size=4, layers=2, steps=1
    )
    return Subject(build_model(config, Ports.of(task)), task, layer=1, steps=9)


@pytest.fixture
def subject(tmp_path):
    return layer_of("GRU", tmp_path)


@pytest.mark.parametrize("name", analysis_names())
def test_every_analysis_takes_a_layer_of_a_model(name, tmp_path):
    cell = "DeltaNet" if name in ("rank", "keys") else "GRU"
    found = analyze(name, layer_of(cell, tmp_path))
    assert str(found) == str(found.table())
    assert found.plot().axes


def test_options_reach_the_analysis(subject):
    found = analyze("lyapunov", subject, count=2)
    assert isinstance(found, LyapunovExponents)
    assert found.exponents.shape == (16, 2)


def test_unknown_names_and_options_are_refused(subject):
    with pytest.raises(ArgumentError, match="Did you mean 'lyapunov'"):
        analyze("lyapunow", subject)
    with pytest.raises(ArgumentError, match="takes no option 'counts'"):
        analyze("lyapunov", subject, counts=2)


def test_the_inputs_of_an_upper_layer_are_the_outputs_below(subject):
    assert subject.x.shape == subject.states.shape == (16, 9, 4)
    lower = Subject(subject.model, subject.task, 0, steps=9)
    assert lower.x.shape == (16, 9, 64)
    torch.testing.assert_close(lower.states, subject.x)  # a GRU puts out its state


def test_a_recurrence_inside_of_a_block(tmp_path, quick_compile):
    task = make_task("running_parity", held_out_steps=12)
    options = {"num_heads": 2, "head_dim": 4}
    config = TrainConfig(
        out=tmp_path,
        model="DeltaProduct",
        model_options=options,
        engine="chunk",
        hidden_size=8,
        layers=2,
        steps=1,
    )
    model = build_model(config, Ports.of(task))
    subject = Subject(model, task, layer=1, sequences=3, steps=9)
    block, below = model.layer.layers[1], model.layer.layers[0](model.encoder(subject.batch.inputs))
    torch.testing.assert_close(subject.x, block.layer.read(block.norm(below[0])))
    assert "run" not in vars(subject.rnn)
    assert analyze("rank", subject).ranks.shape == (3, 9, 2)
    assert analyze("keys", subject).shares.shape == (2, 4)


def test_a_layer_that_is_not_there_is_named(subject):
    with pytest.raises(ArgumentError, match="no layer 2"):
        _ = Subject(subject.model, subject.task, 2).x
