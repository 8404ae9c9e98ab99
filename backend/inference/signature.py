"""What a model version takes and gives: stored in `ModelVersion.signature`, written by training, read by serving.

Image:   {"input": {"kind": "image", "width": 96, "height": 96, "channels": 2, "with_golden": true,
                    "mean": 0.5, "std": 0.25}, "outputs": ["ok", "open", "short"], "activation": "softmax"}
Tabular: {"input": {"kind": "tabular", "features": ["age", {"name": "country", "categories": ["vn", "jp"]}]},
          "outputs": ["accept", "refuse"]}
Elsewhere, beside these: {"upstream": {"url": "http://triton:8000", "model": "credit", "input": "x"}}
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

#: Kinds of versions that answer elsewhere, by the protocol that their server speaks.
REMOTE_KINDS = frozenset({"oip", "tfserving", "torchserve", "json"})


class ImageInput(BaseModel):
    """A picture, resized and normalised by `review.rules.image_input.prepare`.

    `channels` counts every channel of the tensor: 1 grey, 3 RGB; with a golden sample 2 (grey item, grey golden) or
    3 (these and their absolute difference). `mean` and `std` are one number or one per channel, on the 0..1 scale.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["image"] = "image"
    width: int = Field(gt=0, le=4096)
    height: int = Field(gt=0, le=4096)
    channels: Literal[1, 2, 3] = 1
    mean: float | list[float] = 0.0
    std: float | list[float] = 1.0
    with_golden: bool = False

    @model_validator(mode="after")
    def _fits(self) -> ImageInput:
        allowed = (2, 3) if self.with_golden else (1, 3)
        if self.channels not in allowed:
            raise ValueError(f"channels must be one of {allowed} when with_golden is {self.with_golden}")
        for name in ("mean", "std"):
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != self.channels:
                raise ValueError(f"{name} needs one number, or one for each of the {self.channels} channels")
        stds = self.std if isinstance(self.std, list) else [self.std]
        if any(value <= 0 for value in stds):
            raise ValueError("std must be above 0")
        return self


class Feature(BaseModel):
    """One number of a tabular input. A category becomes its index; `fill` stands in for a missing value."""

    model_config = ConfigDict(extra="forbid")

    name: str
    mean: float = 0.0
    std: float = Field(1.0, gt=0)
    fill: float | None = None
    categories: list[str] | None = None


class TabularInput(BaseModel):
    """Named inputs, in the order in which the network takes them."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["tabular"] = "tabular"
    features: list[Feature] = Field(min_length=1)

    @field_validator("features", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value


class Upstream(BaseModel):
    """Where a version answers that is not in our memory: the server's address, and what it is called there.

    `timeout_s` shortens SOI_PREDICT_TIMEOUT_S, `concurrency` bounds the calls at once. `input` and `output` name
    tensors where the protocol has names for them.
    """

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2_000)
    model: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    version: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    input: str | None = Field(None, min_length=1, max_length=200)
    output: str | None = Field(None, min_length=1, max_length=200)
    timeout_s: float | None = Field(None, gt=0, le=300)
    concurrency: int = Field(8, ge=1, le=64)

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the address begins with https:// or http:// and names a host")
        if parts.username or parts.password or parts.fragment or parts.query:
            raise ValueError("the address carries no password, query or fragment")
        _ = parts.port  # raises ValueError when it is no port
        return value


class Signature(BaseModel):
    """Input and output of a version. `outputs` are the labels in the order of the network's outputs.

    Without outputs the version answers a number. `activation` turns the raw outputs into scores; `abstain_below`:
    a best score under it is answered as no label at all (a null output). `upstream`: it answers elsewhere.
    """

    model_config = ConfigDict(extra="forbid")

    input: Annotated[ImageInput | TabularInput, Field(discriminator="kind")]
    outputs: list[str] = Field(default_factory=list)
    activation: Literal["softmax", "none"] = "softmax"
    abstain_below: float | None = None
    upstream: Upstream | None = None

    @field_validator("outputs")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("outputs name a label twice")
        return value
