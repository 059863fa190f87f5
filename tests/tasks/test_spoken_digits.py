import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.core.errors import ArgumentError, DataError
from ostinato.tasks.spoken_digits import SpokenDigitsTask

FULL = Path(__file__).parents[3] / "shared/data/fsdd"


def write_wave(path, audio, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(audio.astype("<i2").tobytes())


def recordings():
    """(digit, speaker, index, samples), two speakers, twelve repetitions."""
    random = np.random.default_rng(0)
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for index in range(12):
                samples = random.integers(-(2**15), 2**15, random.integers(20, 80))
                yield digit, speaker, index, samples.astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    for digit, speaker, index, samples in recordings():
        write_wave(tmp_path / f"{digit}_{speaker}_{index}.wav", samples)
    return tmp_path


def write_archive(path):
    digits, speakers, indices, samples = zip(*recordings(), strict=True)
    np.savez(
        path,
        audio=np.concatenate(samples),
        offsets=np.cumsum([0, *map(len, samples)]),
        digit=digits,
        speaker=[("ann", "bob").index(name) for name in speakers],
        index=indices,
        speakers=["ann", "bob"],
    )


def held_out(task, split="test"):
    (batch,) = task.held_out(split, 1000)
    return batch


def test_recordings_of_an_equal_level_and_silence(folder):
    write_wave(folder / "3_ann_2.wav", np.zeros(30))
    loud = held_out(SpokenDigitsTask(str(folder), steps=80)).inputs
    equal = held_out(SpokenDigitsTask(str(folder), steps=80, level="equal")).inputs
    spoken = (loud != 0).any(1).flatten()
    assert int(spoken.sum()) == len(loud) - 1
    assert not equal[~spoken].any()
    lengths = [len(a) for d, s, i, a in sorted(recordings(), key=str_order) if i < 5]
    power = equal.square().sum((1, 2)) / torch.tensor(lengths)
    torch.testing.assert_close(power[spoken], torch.ones(len(loud) - 1), atol=1e-4, rtol=0)
    ratio = equal[spoken] / loud[spoken].where(loud[spoken] != 0, torch.nan)
    torch.testing.assert_close(ratio.nanmedian(1).values, ratio.nan_to_num().amax(1))


def str_order(recording):
    digit, speaker, index, _ = recording
    return f"{digit}_{speaker}_{index}.wav"


@pytest.mark.parametrize(("label", "classes"), [("digit", 10), ("speaker", 2)])
def test_split_and_labels(folder, label, classes):
    task = SpokenDigitsTask(str(folder), label, steps=50)
    facts = task.describe()
    assert [facts[f"{split}_sequences"] for split in ("train", "valid", "test")] == [40, 100, 100]
    assert task.outputs.count == classes
    assert held_out(task).targets.bincount().tolist() == [100 // classes] * classes
    assert task.batch(0, 7).inputs.shape == (7, 50, 1)


def test_recordings_are_cut_or_padded(folder):
    task = SpokenDigitsTask(str(folder), steps=50)
    expected = {}
    for digit, _, index, samples in recordings():
        if index < 5:
            row = np.zeros(50, np.float32)
            row[: len(samples)] = samples[:50].astype(np.float32) / 2**15
            expected.setdefault(digit, []).append(row.tobytes())
    batch = held_out(task)
    for digit, row in zip(batch.targets.tolist(), batch.inputs[..., 0], strict=True):
        assert row.numpy().tobytes() in expected[digit]
    assert batch.inputs.abs().max() <= 1


def test_an_archive_is_the_same(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "digits.npz"
    write_archive(path)
    for label in ("digit", "speaker"):
        ours = held_out(SpokenDigitsTask(str(path.parent), label, 50))
        theirs = held_out(SpokenDigitsTask(str(folder), label, 50))
        sums = [sorted(zip(b.inputs.sum((1, 2)).tolist(), b.targets.tolist(), strict=True))
                for b in (ours, theirs)]  # fmt: skip
        assert sums[0] == sums[1]


def test_what_is_no_recording(tmp_path):
    with pytest.raises(ArgumentError, match="needs path="):
        SpokenDigitsTask()
    with pytest.raises(DataError, match="holds no recording"):
        SpokenDigitsTask(str(tmp_path))
    (tmp_path / "0_ann_0.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="cannot be read as a wave file"):
        SpokenDigitsTask(str(tmp_path))
    write_wave(tmp_path / "0_ann_0.wav", np.zeros(8), channels=2)
    with pytest.raises(DataError, match="2 channels of 16 bits"):
        SpokenDigitsTask(str(tmp_path))
    write_wave(tmp_path / "0_ann_0.wav", np.zeros(8))
    with pytest.raises(DataError, match="no recording for 'train'"):
        SpokenDigitsTask(str(tmp_path))
    np.savez(tmp_path / "digits.npz", audio=np.zeros(3))
    with pytest.raises(DataError, match="lacks digit, index"):
        SpokenDigitsTask(str(tmp_path))


@pytest.mark.skipif(not FULL.exists(), reason="needs shared/data")
def test_five_speakers():
    task = SpokenDigitsTask(str(FULL), "speaker")
    assert task.describe()["train_sequences"] == 2000
    assert task.outputs.count == 5
    assert torch.equal(held_out(task).targets.bincount(), torch.full((5,), 50))
