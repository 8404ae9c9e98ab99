"""What pictures, sounds and texts look like, measured from the items' files: averages over the requests of a bucket."""

from __future__ import annotations

from db.analytics.measure import Measure, Unit
from db.analytics.numbers import NUMBERS, mean_of, means_by_name

#: Measure -> the column behind `media_` and its unit; the item's kind decides which of them exist.
_MEDIA: dict[str, tuple[str, Unit]] = {
    "image_brightness": ("brightness", "level"),
    "image_contrast": ("contrast", "level"),
    "image_sharpness": ("sharpness", "number"),
    "image_width": ("width_px", "px"),
    "image_height": ("height_px", "px"),
    "audio_duration": ("duration_s", "s"),
    "audio_volume": ("volume_dbfs", "dbfs"),
    "audio_silence": ("silence_share", "share"),
    "text_length": ("length_chars", "chars"),
}

MEASURES = (
    *(
        Measure(name, "media", unit, "none", "line", NUMBERS, mean_of(f"media:{column}"))
        for name, (column, unit) in _MEDIA.items()
    ),
    Measure("input_length", "input", "chars", "none", "line", NUMBERS, means_by_name("length:"), "field"),
)
