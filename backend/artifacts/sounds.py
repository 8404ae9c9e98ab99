"""Checks sounds: WAV, FLAC or OGG, whole, not too long."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from backend.errors import Invalid, TooLarge

if TYPE_CHECKING:
    import soundfile

MEDIA_TYPES = {"WAV": "audio/wav", "FLAC": "audio/flac", "OGG": "audio/ogg"}
_MAX_RATE_HZ = 384_000
_MAX_CHANNELS = 16
_BLOCK_FRAMES = 65_536


def check_sound(data: bytes, max_seconds: float) -> tuple[str, float]:
    """(media type, seconds) after decoding it once in blocks."""
    import soundfile

    _check_riff_length(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            if sound.format not in MEDIA_TYPES or not 0 < sound.samplerate <= _MAX_RATE_HZ:
                raise Invalid("this kind of sound is not taken", code="broken_file")
            if sound.channels > _MAX_CHANNELS:
                raise Invalid("the sound has too many channels", code="broken_file")
            n_frames = _count_frames(sound, max_seconds)
            media_type = MEDIA_TYPES[sound.format]
            if n_frames == 0 or (0 < sound.frames < 2**62 and n_frames != sound.frames):
                raise Invalid("the sound is empty or cut off", code="broken_file")
            return media_type, n_frames / sound.samplerate
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise Invalid("the sound is damaged or cut off", code="broken_file") from error


def _count_frames(sound: soundfile.SoundFile, max_seconds: float) -> int:
    n_frames, limit = 0, max_seconds * sound.samplerate
    while len(block := sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
        n_frames += len(block)
        if n_frames > limit:
            raise TooLarge("the sound is too long", code="too_long", details={"max_seconds": max_seconds})
    return n_frames


def _check_riff_length(data: bytes) -> None:
    """libsndfile reads a cut-off WAV as a shorter one; its header knows better (0 and 2^32-1: written by a stream)."""
    if data[:4] != b"RIFF":
        return
    declared = int.from_bytes(data[4:8], "little")
    if declared not in {0, 0xFFFFFFFF} and declared + 8 > len(data) + 1:
        raise Invalid("the sound is cut off", code="broken_file")
