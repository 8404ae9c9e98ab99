"""The two steps of a spoken-digit pipeline: voice activity detection by energy, and a small torch recogniser on log-mel
features. Used by benchmarks.pipeline_fsdd and its test."""

from __future__ import annotations

import csv
import functools
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float64]

RATE = 8_000
HOP = 80
FRAME = 200
N_FFT = 256
N_MELS = 32
N_FRAMES = 64
#: Speech is what lies at most this far below the loudest frame.
USUAL_DB = 32.0
#: Shorter than this is no word.
SHORTEST_S = 0.08
#: Below this probability the recogniser gives no answer.
LEAST_SURE = 0.35


@dataclass(frozen=True, slots=True)
class Recording:
    """One spoken digit, samples in -1..1."""

    name: str
    digit: int
    speaker: str
    index: int
    sound: Sound


@dataclass(frozen=True, slots=True)
class Voice:
    """What the VAD found: where speech begins and ends (samples), and how loud it is cut, against the loudest frame."""

    begin: int
    end: int
    edge_db: float
    kept: float

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) / RATE


def load(folder: Path) -> list[Recording]:
    """The recordings that manifest.csv lists."""
    found = []
    with (folder / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            with wave.open(str(folder / row["path"])) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").astype(np.float64) / 32_768
            found.append(
                Recording(Path(row["path"]).stem, int(row["digit"]), row["speaker"], int(row["index"]), samples)
            )
    return found


def level_db(sound: Sound) -> float:
    """Root mean square in dB of full scale."""
    return float(10 * np.log10(np.mean(sound**2) + 1e-10))


def detect(sound: Sound, below_peak_db: float = USUAL_DB) -> Voice | None:
    """The stretch between the first and the last frame loud enough; None where it is too short to be a word."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(sound, (0, max(0, FRAME - len(sound)))), FRAME)[::HOP]
    frames = 10 * np.log10(np.mean(windows**2, axis=1) + 1e-10)
    peak = frames.max()
    loud = np.flatnonzero(frames >= peak - below_peak_db)
    begin, end = int(loud[0]) * HOP, min(len(sound), int(loud[-1]) * HOP + FRAME)
    edge = float((frames[loud[0]] + frames[loud[-1]]) / 2 - peak)
    voice = Voice(begin, end, edge, (end - begin) / len(sound))
    return voice if voice.seconds >= SHORTEST_S else None


def disturb(sound: Sound, rng: np.random.Generator) -> Sound:
    """Another take of the same word: a little room noise, another loudness, silence around it."""
    pad = [np.zeros(int(rng.uniform(0.02, 0.2) * RATE)) for _ in range(2)]
    take = np.concatenate([pad[0], sound * rng.uniform(0.5, 1.0), pad[1]])
    return take + rng.normal(0, 10 ** rng.uniform(-3.6, -3.0), len(take))


def log_mel(sound: Sound) -> npt.NDArray[np.float32]:
    """N_MELS x N_FRAMES log energies, the word stretched over all frames and levelled to mean 0."""
    padded = np.pad(sound, (0, max(0, FRAME + HOP - len(sound))))
    starts = np.linspace(0, len(padded) - FRAME, N_FRAMES).astype(int)
    frames = padded[starts[:, None] + np.arange(FRAME)] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, N_FFT)) ** 2
    mel = np.log(power @ _filters().T + 1e-7)
    return ((mel - mel.mean()) / (mel.std() + 1e-3)).T.astype(np.float32)


@functools.cache
def _filters() -> Sound:
    """Triangles evenly spaced on the mel scale (O'Shaughnessy)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, N_MELS + 2) / 2595) - 1) / (RATE / N_FFT)
    bins = np.arange(N_FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))


class Recogniser:
    """A small convolutional network over log-mel features, trained on the spot."""

    def __init__(self, seed: int = 0) -> None:
        import torch
        from torch import nn

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(32 * (N_MELS // 4) * (N_FRAMES // 4), 10),
        )

    def train(self, words: Sequence[Sound], digits: Sequence[int], epochs: int = 12) -> None:
        """Learn from cut-out words."""
        import torch

        x = torch.from_numpy(np.stack([log_mel(word) for word in words]))[:, None]
        y = torch.tensor(list(digits))
        optimiser = torch.optim.AdamW(self.net.parameters(), lr=2e-3, weight_decay=1e-2)
        self.net.train()
        for _ in range(epochs):
            for chosen in torch.randperm(len(x)).split(64):
                loss = torch.nn.functional.cross_entropy(self.net(x[chosen]), y[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        self.net.eval()

    def degrade(self, strength: float, seed: int = 1) -> None:
        """Spoil the weights, as a broken export would."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.net.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator) * weight.std(correction=0) * strength)

    def answer(self, words: Sequence[Sound]) -> list[tuple[int | None, float]]:
        """(digit or None when not sure enough, probability of the likeliest digit) of each word."""
        import torch

        if not words:
            return []
        with torch.inference_mode():
            x = torch.from_numpy(np.stack([log_mel(word) for word in words]))[:, None]
            scores = torch.softmax(self.net(x), dim=1)
        best, digits = scores.max(dim=1)
        return [
            (digit if score >= LEAST_SURE else None, score)
            for digit, score in zip(digits.tolist(), best.tolist(), strict=True)
        ]
