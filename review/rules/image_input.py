"""Pictures to the array that an image model gets. Training and serving both call this, so they cannot differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.float32]


class ImageSpec(Protocol):
    """What an image model expects; `backend.inference.signature.ImageInput` is one."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def with_golden(self) -> bool: ...
    @property
    def mean(self) -> float | Sequence[float]: ...
    @property
    def std(self) -> float | Sequence[float]: ...


def prepare(images: Sequence[Image.Image], spec: ImageSpec) -> Array:
    """One item as float32 [channels, height, width]: resized, scaled to 0..1, then (x - mean) / std.

    `images` is [item], or [item, golden] where the spec says `with_golden`. `channels` counts all channels:
    1 = grey item, 3 = RGB item; with_golden: 2 = grey item, grey golden; 3 = these two and their absolute difference.

    >>> from types import SimpleNamespace
    >>> spec = SimpleNamespace(width=2, height=1, channels=1, with_golden=False, mean=0.5, std=0.5)
    >>> prepare([Image.new("L", (4, 4), 255)], spec).tolist()
    [[[1.0, 1.0]]]
    """
    if spec.with_golden:
        if len(images) < 2:
            raise ValueError("this version compares with a golden sample, and none was given")
        item, golden = (_plane(image, spec) for image in images[:2])
        planes = [item, golden] if spec.channels == 2 else [item, golden, np.abs(item - golden)]
        stacked = np.stack(planes)
    elif spec.channels == 3:
        resized = images[0].convert("RGB").resize((spec.width, spec.height), Image.Resampling.BILINEAR)
        stacked = np.asarray(resized, dtype=np.float32).transpose(2, 0, 1) / 255.0
    else:
        stacked = _plane(images[0], spec)[None]
    mean = np.asarray(spec.mean, dtype=np.float32).reshape(-1, 1, 1)
    std = np.asarray(spec.std, dtype=np.float32).reshape(-1, 1, 1)
    return np.ascontiguousarray((stacked - mean) / std, dtype=np.float32)


def _plane(image: Image.Image, spec: ImageSpec) -> Array:
    grey = image.convert("L").resize((spec.width, spec.height), Image.Resampling.BILINEAR)
    return np.asarray(grey, dtype=np.float32) / np.float32(255.0)
