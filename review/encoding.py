"""Turns pictures, sounds and texts into vectors with encoders of our own, so that drift can be tested without a
download: fixed random convolutions, log-mel spectrograms, hashed character n-grams. Imports torch: called only from
the process of an embedding run (backend.embeddings.child)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image

Vector = npt.NDArray[np.float32]

#: Pictures are looked at in this size: drift of light, focus, colour and texture survives it, single pixels do not.
SIDE = 96
RATE_HZ = 16_000
#: Sounds are looked at for this long from their beginning; shorter ones are padded with silence.
SECONDS = 4.0
N_MELS = 40
_FFT, _HOP = 512, 256
_BUCKETS, _TEXT_DIMS = 1024, 64
_SEED = 20_260_101


def encode_images(pictures: Sequence[Image.Image]) -> Vector:
    """One row of 128 numbers per picture: means and spreads of fixed random convolutions of the RGB pixels."""
    small = [np.asarray(one.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for one in pictures]
    batch = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255.0
    return _convolve(batch)


def encode_sounds(sounds: Sequence[tuple[npt.NDArray[np.float32], int]]) -> Vector:
    """One row of 168 numbers per (samples, rate): convolutions of the log-mel spectrogram, and its mean per band."""
    spectra = torch.stack([log_mel(samples, rate) for samples, rate in sounds])
    scaled = ((spectra + 14.0) / 14.0)[:, None].expand(-1, 3, -1, -1)
    means = spectra.mean(dim=2).numpy().astype(np.float32)
    return np.hstack([_convolve(scaled), means])


def encode_texts(texts: Sequence[str]) -> Vector:
    """One row of 64 numbers per text: hashed character 3- to 5-grams, projected by a fixed random matrix."""
    counts = np.zeros((len(texts), _BUCKETS), dtype=np.float32)
    for row, text in enumerate(texts):
        padded = f" {' '.join(text.lower().split())} "[:20_000]
        for size in (3, 4, 5):
            for start in range(max(0, len(padded) - size + 1)):
                digest = hashlib.blake2b(padded[start : start + size].encode(), digest_size=4).digest()
                number = int.from_bytes(digest, "big")
                counts[row, (number >> 1) % _BUCKETS] += 1 if number & 1 else -1
    weighed = np.sign(counts) * np.sqrt(np.abs(counts))
    length = np.linalg.norm(weighed, axis=1, keepdims=True)
    return np.asarray((weighed / np.where(length > 0, length, 1.0)) @ _projection(), dtype=np.float32)


def log_mel(samples: npt.NDArray[np.float32], rate: int) -> Any:
    """The log-mel spectrogram (N_MELS x frames) of a sound, mixed to one channel at 16 kHz."""
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    n_wanted = int(SECONDS * RATE_HZ)
    n_now = min(n_wanted, int(len(mono) * RATE_HZ / rate))
    at = np.arange(n_now) * (rate / RATE_HZ)
    resampled = np.interp(at, np.arange(len(mono)), mono) if n_now else np.zeros(0)
    padded = np.zeros(n_wanted, dtype=np.float32)
    padded[:n_now] = resampled
    spectrum = torch.stft(
        torch.from_numpy(padded), _FFT, _HOP, window=torch.hann_window(_FFT), return_complex=True
    ).abs()
    return torch.log(_mel_filters() @ spectrum.square() + 1e-6)


def _convolve(batch: Any) -> Vector:
    with torch.inference_mode():
        kernels = _kernels()
        first = F.leaky_relu(F.conv2d(batch - 0.5, kernels[0], stride=2, padding=2), 0.1)
        second = F.leaky_relu(F.conv2d(first, kernels[1], stride=2, padding=1), 0.1)
        third = F.leaky_relu(F.conv2d(second, kernels[2], stride=2, padding=1), 0.1)
        parts = [second.mean(dim=(2, 3)), second.std(dim=(2, 3)), third.mean(dim=(2, 3))]
        found: Vector = torch.cat(parts, dim=1).numpy().astype(np.float32)
    return found


@cache
def _kernels() -> tuple[Any, Any, Any]:
    """Random kernels of unit length, the same everywhere: NumPy's generator does not change between versions."""
    rng = np.random.default_rng(_SEED)
    made = []
    for n_out, n_in, size in ((16, 3, 5), (32, 16, 3), (64, 32, 3)):
        weights = rng.standard_normal((n_out, n_in * size * size))
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        made.append(torch.from_numpy(weights.reshape(n_out, n_in, size, size).astype(np.float32)) * 1.4)
    return made[0], made[1], made[2]


@cache
def _projection() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(_SEED + 1)
    return np.asarray(rng.standard_normal((_BUCKETS, _TEXT_DIMS)) / np.sqrt(_TEXT_DIMS), dtype=np.float32)


@cache
def _mel_filters() -> Any:
    """Triangles between 0 and 8 kHz, evenly spaced on the mel scale (O'Shaughnessy)."""
    top = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, N_MELS + 2) / 2595) - 1)
    places = np.linspace(0, RATE_HZ / 2, _FFT // 2 + 1)
    rising = (places[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - places[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return torch.from_numpy(np.maximum(0, np.minimum(rising, falling)).astype(np.float32))
