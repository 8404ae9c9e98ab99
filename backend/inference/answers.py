"""A request to the network's input, and its raw outputs to an answer. Pure but for opening the pictures given."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from backend.inference.signature import Feature, Signature, TabularInput
from review.rules.image_input import prepare

Array = npt.NDArray[np.float32]


class BadInput(ValueError):
    """The request does not hold what the version's signature asks for."""


class BadOutput(ValueError):
    """The version answered something that is no answer: not finite, or of another shape."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a version says: a label with scores, or a number; `prediction` None is a null output."""

    prediction: str | float | None
    score: float | None = None
    scores: dict[str, float] = field(default_factory=dict)


def build_input(signature: Signature, inputs: Mapping[str, Any], pictures: Sequence[bytes], max_pixels: int) -> Array:
    """The array that the network takes, from pictures or named inputs."""
    if isinstance(signature.input, TabularInput):
        return np.asarray([_number(one, inputs.get(one.name)) for one in signature.input.features], dtype=np.float32)
    if not pictures:
        raise BadInput("this version judges a picture: name it in artifacts")
    try:
        return prepare([_open(one, max_pixels) for one in pictures], signature.input)
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"the picture cannot be used: {str(error)[:200]}") from error


def _open(data: bytes, max_pixels: int) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    if image.width * image.height > max_pixels:
        raise BadInput(f"the picture has more than {max_pixels:,} pixels")
    image.load()
    return image


def _number(feature: Feature, value: Any) -> float:
    if value is None:
        if feature.fill is None:
            raise BadInput(f"the input {feature.name!r} is missing")
        value = feature.fill
    elif feature.categories is not None:
        if value not in feature.categories:
            raise BadInput(f"{value!r} is not a category of {feature.name!r}")
        value = feature.categories.index(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise BadInput(f"the input {feature.name!r} is not a number")
    return (float(value) - feature.mean) / feature.std


def read_output(signature: Signature, raw: Array) -> Answer:
    """Raw outputs to label and scores, checked.

    >>> sig = Signature.model_validate({"input": {"kind": "tabular", "features": ["x"]}, "outputs": ["no", "yes"]})
    >>> read_output(sig, np.array([0.0, 2.0], dtype=np.float32)).prediction
    'yes'
    """
    wanted = len(signature.outputs) or 1
    if raw.shape != (wanted,):
        raise BadOutput(f"the version answered {raw.size} numbers where its signature has {wanted}")
    if not np.isfinite(raw).all():
        raise BadOutput("the version answered a number that is not finite")
    if not signature.outputs:
        return Answer(prediction=float(raw[0]))
    scores = _softmax(raw) if signature.activation == "softmax" else raw.astype(np.float64)
    best = int(scores.argmax())
    score = float(scores[best])
    named = {label: round(float(one), 6) for label, one in zip(signature.outputs, scores, strict=True)}
    is_null = signature.abstain_below is not None and score < signature.abstain_below
    return Answer(prediction=None if is_null else signature.outputs[best], score=round(score, 6), scores=named)


def _softmax(raw: Array) -> npt.NDArray[np.float64]:
    shifted = np.exp(raw.astype(np.float64) - float(raw.max()))
    shares: npt.NDArray[np.float64] = shifted / shifted.sum()
    return shares
