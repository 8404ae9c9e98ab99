"""What pictures, sounds and texts look like, measured from the items' files: averages and percentiles of a bucket."""

from __future__ import annotations

from db.analytics.measure import ItemKind, Measure, Unit
from db.analytics.numbers import NUMBERS, mean_of, means_by_name, percentile_lines

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

#: A few dark pictures among many, or one long silence, do not show in an average.
_SPREAD = (
    "image_brightness",
    "image_contrast",
    "image_sharpness",
    "audio_duration",
    "audio_volume",
    "audio_silence",
    "text_length",
)
_KINDS: dict[str, ItemKind] = {"image": "image", "audio": "audio", "text": "text"}

MEASURES = (
    *(
        Measure(
            name,
            "media",
            unit,
            "none",
            "line",
            NUMBERS,
            mean_of(f"media:{column}"),
            item_kind=_KINDS[name.split("_")[0]],
        )
        for name, (column, unit) in _MEDIA.items()
    ),
    *(
        Measure(
            f"{name}_percentiles",
            "media",
            _MEDIA[name][1],
            "none",
            "line",
            NUMBERS,
            percentile_lines(f"media:{_MEDIA[name][0]}"),
            "percentile",
            item_kind=_KINDS[name.split("_")[0]],
        )
        for name in _SPREAD
    ),
    Measure("input_length", "input", "chars", "none", "line", NUMBERS, means_by_name("length:"), "field"),
)
