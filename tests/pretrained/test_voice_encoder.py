"""Resemblyzer's network and its spectrograms, beside torch's own LSTM and librosa's."""

import librosa
import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch import nn

import sensorium as sm
from sensorium.errors import ConfigError
from sensorium.examples.speech import SAMPLE_RATE, speak
from sensorium.pretrained.load import load_body
from sensorium.pretrained.shipped import installed
from sensorium.pretrained.source import Source, find_source
from sensorium.pretrained.voice_encoder import VoiceEncoder, voice_weights

needs = pytest.mark.skipif(installed("resemblyzer") is None, reason="needs pip install --no-deps Resemblyzer")

UNTRAINED = Source("resemblyzer", "audio", {"model_type": "ge2e", "hidden_size": 768})


def reference(layers: int) -> nn.LSTM:
    """The package's file in torch's own network of some of its layers."""
    found = torch.load(installed("resemblyzer") / "pretrained.pt", "cpu", weights_only=True)["model_state"]
    network = nn.LSTM(40, 256, layers, batch_first=True)
    network.load_state_dict({name: found[f"lstm.{name}"] for name in network.state_dict()})
    return network


def speech(seconds: float = 1.3) -> np.ndarray:
    """A voice's harmonics, louder and fainter."""
    t = np.arange(int(16_000 * seconds)) / 16_000
    voice = sum(np.sin(2 * np.pi * 140 * k * t + k) / k for k in range(1, 20))
    return (0.05 * voice * (1.2 + np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def body_of(sounds: list[np.ndarray], source: Source = UNTRAINED):
    values = torch.zeros(len(sounds), max(map(len, sounds)))
    mask = torch.zeros_like(values, dtype=torch.bool)
    for row, sound in enumerate(sounds):
        values[row, : len(sound)], mask[row, : len(sound)] = torch.from_numpy(sound), True
    torch.manual_seed(0)
    return load_body(source).eval(), values, mask


@needs
@torch.no_grad()
def test_states_are_those_of_the_reference_from_a_recording_on():
    sound = speech()
    loud = sound * np.sqrt(1e-3 / np.mean(sound.astype(np.float64) ** 2))  # -30 dB of full scale
    mels = librosa.feature.melspectrogram(y=loud.astype(np.float32), sr=16_000, n_fft=400, hop_length=160, n_mels=40)
    body, values, mask = body_of([sound], find_source("resemblyzer", "audio"))
    (tokens,), real = body(values, mask)
    assert real.sum() == 130
    for layers, ours in zip((1, 2, 3), tokens.split(256, 2), strict=True):
        theirs, _ = reference(layers)(torch.from_numpy(mels.T[None].astype(np.float32)))
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_the_spectrogram_is_librosas_at_one_loudness():
    for gain in (0.001, 1.0, 8.0):
        sound = speech() * np.float32(gain)
        body, values, mask = body_of([sound])
        seen = []
        body.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))  # noqa: B023
        body(values, mask)
        loud = sound.astype(np.float64) * 10 ** (-30 / 20) / np.sqrt(np.mean(sound.astype(np.float64) ** 2))
        mels = librosa.feature.melspectrogram(y=loud, sr=16_000, n_fft=400, hop_length=160, n_mels=40)
        np.testing.assert_allclose(seen[0][0].numpy(), mels.T, rtol=2e-4, atol=1e-6)


@torch.no_grad()
def test_a_row_alone_is_the_row_in_a_batch_and_what_is_masked_changes_nothing():
    sounds = [speech(1.3), speech(0.4), speech(0.005)]
    body, values, mask = body_of(sounds)
    (tokens,), real = body(values, mask)
    changed, _ = body(values.masked_fill(~mask, torch.nan), mask)
    torch.testing.assert_close(changed[0][real], tokens[real])
    for row, sound in enumerate(sounds):
        own = torch.from_numpy(sound)[None]
        (alone,), there = body(own, torch.ones_like(own, dtype=torch.bool))
        torch.testing.assert_close(alone[there], tokens[row][real[row]], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_silence_is_finite():
    body, values, mask = body_of([np.zeros(8000, np.float32)])
    (tokens,), real = body(values, mask)
    assert real.any()
    assert tokens.isfinite().all()


def told_across_voices(source: Source) -> int:
    """Words of 10, said by three voices, that are nearest to themselves in another voice's mouth; 30 at most."""
    words, voices = "zero one two three four five six seven eight nine".split(), ("en-us+m3", "en-us+f2", "en-us+m7")
    torch.manual_seed(0)
    body, said = load_body(source).eval(), []
    for voice in voices:
        for word in words:
            sound = torch.from_numpy(soxr.resample(speak(word, voice), SAMPLE_RATE, 16_000))[None]
            (tokens,), real = body(sound, torch.ones_like(sound, dtype=torch.bool))
            said.append(tokens[real].mean(0))
    means = torch.stack(said).unflatten(0, (3, 10))  # (voices, words, hidden)
    means = nn.functional.normalize(means - means.mean(1, keepdim=True), dim=2)
    pairs = [means[a] @ means[b].T for a, b in ((0, 1), (0, 2), (1, 2))]
    return sum(int((pair.argmax(1) == torch.arange(10)).sum()) for pair in pairs)


@needs
@torch.no_grad()
def test_it_tells_words_in_another_voice_and_random_weights_do_not():
    pytest.importorskip("espeakng_loader", reason="speech needs 'sensorium[demo]'")
    assert told_across_voices(find_source("resemblyzer", "audio")) >= 28
    assert told_across_voices(UNTRAINED) <= 24


@needs
def test_all_weights_but_the_projection_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path))
    weights = voice_weights(installed("resemblyzer"))
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in VoiceEncoder().state_dict().items()
    }
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]


def test_weights_of_another_network(tmp_path, monkeypatch):
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "cache"))
    small = nn.LSTM(40, 8, 3)
    torch.save(
        {"model_state": {f"lstm.{name}": value for name, value in small.state_dict().items()}},
        tmp_path / "pretrained.pt",
    )
    source = Source("resemblyzer", "audio", UNTRAINED.config, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"model 'resemblyzer': .* holds weights of another network than it should"):
        load_body(source)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Recordings of a low and of a high voice."""
    folder = tmp_path_factory.mktemp("calls")
    random, calls = np.random.default_rng(0), []
    for row in range(40):
        t = np.arange(4800) / 16_000
        pitch = (110, 240)[row % 2] * random.uniform(0.95, 1.05)
        sound = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 12)) * random.uniform(0.02, 0.2)
        soundfile.write(folder / f"{row}.flac", sound + random.normal(size=len(t)) * 0.002, 16_000)
        calls.append(str(folder / f"{row}.flac"))
    return {"call": calls, "voice": ["low", "high"] * 20}


QUICK = {"epochs": 3, "wide": False, "probes": False, "threads": 1}


def config(**options):
    encoder = {"type": "pretrained", "model": "resemblyzer", **options}
    return {"inputs": {"call": {"modality": "audio", "encoder": encoder}}, "fusion": {"type": "concat", "width": 16}}


@needs
@pytest.mark.parametrize("train", ["frozen", "top:1", "all"])
def test_a_run_needs_the_package_no_more(table, tmp_path, train, monkeypatch):
    before = {
        name: value.clone() for name, value in load_body(find_source("resemblyzer", "audio")).state_dict().items()
    }
    predictor = sm.fit(table, "voice", out=tmp_path / "run", config=config(train=train), **QUICK)
    assert predictor.config.inputs["call"].sample_rate == 16_000
    after = predictor.model.encoder("call").body.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(after[name], value)}
    learning = {"frozen": (), "top:1": ("network.layers.2.",), "all": ("network.layers.",)}[train]
    assert moved == {name for name in before if name.startswith(learning)}
    monkeypatch.setattr("sensorium.pretrained.source.installed", lambda name: None)
    again = sm.load(tmp_path / "run")
    assert again.predict_proba(table).equals(predictor.predict_proba(table))


@needs
def test_auto_takes_it(table):
    predictor = sm.fit(table, "voice", config={"inputs": {"call": {"modality": "audio", "encoder": "auto"}}}, **QUICK)
    assert predictor.config.inputs["call"].encoder.model == "resemblyzer"
    assert predictor.model.frozen == ("call",)


@needs
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "lora"}, "model 'resemblyzer' has no linear layers to adapt. Say train: top:1, all or frozen."),
        ({"train": "top:4"}, "Pretrained.train must be top:1 to top:3; got top:4."),
        ({"layers": "mix"}, "Pretrained.layers must be last; got mix"),
        ({"pooling": "cls"}, "Pretrained.pooling must be mean or tokens; got cls"),
        (
            {"train": "all", "checkpointing": True},
            r"checkpointing must be false; model 'resemblyzer' \(ge2e\) has none.",
        ),
    ],
)
def test_what_it_cannot_do_is_said(table, options, message):
    with pytest.raises(ConfigError, match=rf"^inputs.call.encoder: {message}"):
        sm.fit(table, "voice", config=config(**options), **QUICK)


@needs
def test_recordings_of_another_rate_than_it_knows(table):
    given = config()
    given["inputs"]["call"]["sample_rate"] = 8000
    with pytest.raises(
        ConfigError, match=r"^inputs.call.sample_rate: must be left out or 16000, .* 'resemblyzer' reads; got 8000"
    ):
        sm.fit(table, "voice", config=given, **QUICK)


def test_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr("sensorium.pretrained.source.installed", lambda name: None)
    with pytest.raises(ConfigError, match=r"'resemblyzer' is not installed: pip install --no-deps Resemblyzer$"):
        find_source("resemblyzer", "audio")
