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
#: What decoding one file may take; the settings have their own limits.
MAX_PIXELS: Final = 100_000_000
MAX_SECONDS: Final = 3600.0

Measures = dict[str, float]

Samples = npt.NDArray[np.float64]


class TooLargeToMeasure(ValueError):
    """Decoding the file would take more than one file may."""


def measure(kind: str, data: bytes, *, max_pixels: int = MAX_PIXELS, max_seconds: float = MAX_SECONDS) -> Measures:
    """The measures of a file of this kind (image, audio, text). Raises what its decoder raises on a broken file."""
    if kind == "image":
        return measure_image(data, max_pixels)
    if kind == "audio":
        return measure_sound(data, max_seconds)
    return {"text": measure_text}[kind](data)


def measure_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Measures:
    """brightness: mean luma (0..255); contrast: its standard deviation; sharpness: variance of the Laplacian
    (4-neighbour kernel) after the longer side was brought to 256 pixels; width_px and height_px.
    """
    from PIL import Image

    # Ours is checked before decoding; Pillow's own limit is one per process, so it is only ever raised.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "BMP")) as picture:
        if picture.width * picture.height > max_pixels:
            raise TooLargeToMeasure(f"more than {max_pixels} pixels")
        grey = _grey(picture)
    # The histogram has the mean and the deviation of 100 million pixels without a copy of them as numbers.
    counts, levels = np.array(grey.histogram(), dtype=np.float64), np.arange(256.0)
    mean = float(counts @ levels / counts.sum())
    return {
        "brightness": mean,
        "contrast": float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum())),
        "sharpness": _sharpness(grey),
        "width_px": float(grey.width),
        "height_px": float(grey.height),
    }


def _grey(picture: Any) -> Any:
    """Luma in eight bits (ITU-R 601); of sixteen bits the upper half."""
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return (picture.convert("RGBA") if picture.mode in {"P", "PA"} else picture).convert("L")


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


def measure_sound(data: bytes, max_seconds: float = MAX_SECONDS) -> Measures:
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
            if n_samples > max_seconds * sound.samplerate:
                raise TooLargeToMeasure(f"longer than {max_seconds:g} s")
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


def measure_text(data: bytes) -> Measures:
    """length_chars: the number of characters (code points)."""
    return {"length_chars": float(len(data.decode("utf-8")))}
