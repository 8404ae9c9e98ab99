"""Numbers that describe a picture, a sound or a text, so that a dark camera or a muted microphone shows on a chart. The
worker takes them from every stored file; their names are those of db.eventlog.schema.MEDIA_MEASURES. Pure."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
import numpy.typing as npt

#: Sharpness depends on the size of a picture: it is measured with the longer side brought to this many pixels.
SHARPNESS_PIXELS: Final = 256
#: Stretches of a sound that are quieter than this count as silence.
SILENT_DBFS: Final = -50.0
FRAME_S: Final = 0.02
#: The loudness of nothing at all; minus infinity cannot be averaged.
QUIETEST_DBFS: Final = -120.0

Samples = npt.NDArray[np.float64]


def measure(kind: str, data: bytes) -> dict[str, float]:
    """The measures of a file of this kind (image, audio, text). Raises what its decoder raises on a broken file."""
    return {"image": measure_image, "audio": measure_sound, "text": measure_text}[kind](data)


def measure_image(data: bytes) -> dict[str, float]:
    """brightness: mean luma (0..255); contrast: its standard deviation; sharpness: variance of the Laplacian
    (4-neighbour kernel) after the longer side was brought to 256 pixels; width_px and height_px.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        grey = picture.convert("L") if not picture.mode.startswith("I") else _from_sixteen_bits(picture)
    luma = np.asarray(grey, dtype=np.float32)
    return {
        "brightness": float(luma.mean(dtype=np.float64)),
        "contrast": float(luma.std(dtype=np.float64)),
        "sharpness": _sharpness(grey),
        "width_px": float(grey.width),
        "height_px": float(grey.height),
    }


def _from_sixteen_bits(picture: Any) -> Any:
    return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")


def _sharpness(grey: Any) -> float:
    from PIL import Image

    scale = SHARPNESS_PIXELS / max(grey.size)
    size = tuple(max(1, round(side * scale)) for side in grey.size)
    small = np.asarray(grey.resize(size, Image.Resampling.BILINEAR), dtype=np.float64)
    if min(small.shape) < 3:
        return 0.0
    inside = small[1:-1, 1:-1]
    around = small[:-2, 1:-1] + small[2:, 1:-1] + small[1:-1, :-2] + small[1:-1, 2:]
    return float((around - 4 * inside).var())


def measure_sound(data: bytes) -> dict[str, float]:
    """duration_s; volume_dbfs: RMS of all samples against full scale; silence_share: share of 20 ms frames whose RMS
    is below -50 dBFS. Channels are averaged. Read in blocks, so a long sound takes no more memory than a short one.
    """
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as sound:
        frame = max(1, round(sound.samplerate * FRAME_S))
        n_samples = n_frames = n_silent = 0
        squares = 0.0
        while len(block := sound.read(frame * 500, dtype="float64", always_2d=True)):
            mono = block.mean(axis=1)
            n_samples += len(mono)
            squares += float((mono**2).sum())
            whole = len(mono) // frame
            levels = _dbfs(np.sqrt((mono[: whole * frame].reshape(whole, frame) ** 2).mean(axis=1)))
            n_frames += whole
            n_silent += int((levels < SILENT_DBFS).sum())
        rms = np.sqrt(squares / n_samples) if n_samples else 0.0
        return {
            "duration_s": n_samples / sound.samplerate,
            "volume_dbfs": float(_dbfs(np.array([rms]))[0]),
            "silence_share": n_silent / n_frames if n_frames else float(_dbfs(np.array([rms]))[0] < SILENT_DBFS),
        }


def _dbfs(rms: Samples) -> Samples:
    levels: Samples = np.maximum(20 * np.log10(np.maximum(rms, 1e-12)), QUIETEST_DBFS)
    return levels


def measure_text(data: bytes) -> dict[str, float]:
    """length_chars: the number of characters (code points)."""
    return {"length_chars": float(len(data.decode("utf-8")))}
