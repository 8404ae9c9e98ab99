"""Our own encoders: the same item always gives the same vector, and what changes in the world changes the vector."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from review import encoding  # noqa: E402


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


def picture(light: float, noise: int) -> Image.Image:
    rng = np.random.default_rng(noise)
    base = np.kron(np.random.default_rng(0).random((8, 8, 3)), np.ones((16, 16, 1)))
    return Image.fromarray(np.clip((base * light + rng.normal(0, 0.02, base.shape)) * 255, 0, 255).astype(np.uint8))


def test_pictures_repeat_and_a_dimmer_lamp_moves_them_more_than_noise_does() -> None:
    first, again, other, dim, grey = encoding.encode_images(
        [picture(0.8, 1), picture(0.8, 1), picture(0.8, 2), picture(0.5, 1), picture(0.8, 1).convert("L")]
    )
    assert first.shape == (128,)
    assert distance(first, again) == 0
    assert distance(first, dim) > 5 * distance(first, other)
    assert np.isfinite(grey).all()


def tone(hz: float, seed: int, rate: int = 8000, seconds: float = 1.0) -> tuple[np.ndarray, int]:
    at = np.arange(int(rate * seconds)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, at.size)
    return (np.sin(2 * np.pi * hz * at) * 0.3 + noise).astype(np.float32)[:, None], rate


def test_sounds_of_another_pitch_lie_apart_and_silence_has_a_vector() -> None:
    low, low_again, high, silence, long = encoding.encode_sounds(
        [tone(300, 1), tone(300, 2), tone(2000, 1), (np.zeros((10, 2), np.float32), 44_100), tone(300, 1, seconds=9)]
    )
    assert low.shape == (168,)
    assert distance(low, high) > 5 * distance(low, low_again)
    assert np.isfinite(silence).all()
    assert np.isfinite(long).all()


def test_a_tone_lights_up_its_own_mel_band() -> None:
    bands = [int(np.argmax(encoding.log_mel(*tone(hz, 1)).mean(dim=1).numpy())) for hz in (200, 1000, 3000)]
    assert bands == sorted(bands)
    assert len(set(bands)) == 3


def test_texts_near_in_spelling_lie_near_and_empty_ones_have_a_vector() -> None:
    one, near, far, empty = encoding.encode_texts(
        ["the lamp is too dark", "the lamp is to dark", "kiểm tra bo mạch", ""]
    )
    assert one.shape == (64,)
    assert distance(one, near) < 0.6 * distance(one, far)
    assert not empty.any()
