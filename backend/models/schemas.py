"""Shapes of models: labels, inputs, and what may be changed later."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from backend.shapes import Input, Output, Slug, SmallJson

ItemKind = Literal["image", "text", "audio", "tabular"]
OutputKind = Literal["label", "number", "text", "json"]
InputType = Literal["number", "integer", "boolean", "string", "time"]


def _plain(value: str) -> str:
    if value != value.strip() or any(not char.isprintable() or char in '"\\`' for char in value):
        raise ValueError("no quotes, backslashes, control characters, or spaces at the ends")
    return value


#: A name that comes from people's data (columns, classes): any script, printable.
DataName = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_plain)]
#: One digit key of the review bench.
LabelKey = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    StringConstraints(pattern="^[0-9]$"),
]
#: A title per language.
Titles = dict[Literal["en", "vi"], Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]]


def _unique(values: list[str], what: str) -> list[str]:
    """Unique even when letter case and Unicode's ways to compose a letter are ignored: the lake's readers take columns
    without regard to case, and people cannot tell the others apart."""
    seen: set[str] = set()
    for value in values:
        same = unicodedata.normalize("NFC", value).casefold()
        if same in seen:
            raise ValueError(f"{what} {value!r} occurs twice (upper and lower case count as the same)")
        seen.add(same)
    return values


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError("a category occurs twice")
    return values


Names = Annotated[list[DataName], Field(max_length=100), AfterValidator(lambda value: _unique(value, "the name"))]


#: The values that a text input may have; data decides how they are spelled.
Categories = Annotated[
    list[Annotated[str, StringConstraints(max_length=200)]], Field(max_length=10_000), AfterValidator(_distinct)
]


class Label(Input):
    """One class. `is_defect` marks classes that must not be missed; `key` is its digit on the review bench."""

    name: DataName
    title: Titles = {}
    is_defect: bool = False
    key: LabelKey | None = None


class InputField(Input):
    """One input of the model's signature. Values beyond the range or the categories are stored and counted as such."""

    name: DataName
    type: InputType
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: Categories = []

    @model_validator(mode="after")
    def _check_range(self) -> InputField:
        if self.categories and self.type != "string":
            raise ValueError("only text has categories")
        if self.type not in {"number", "integer"} and (self.minimum is not None or self.maximum is not None):
            raise ValueError("only numbers have a minimum and a maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("the minimum is above the maximum")
        return self


def complete_labels(labels: list[Label]) -> list[Label]:
    """Unique names and keys; labels without a key get the next free digit (1 to 9, then 0)."""
    _unique([label.name for label in labels], "the label")
    taken = [label.key for label in labels if label.key is not None]
    if len(taken) != len(set(taken)):
        raise ValueError("two labels have the same key")
    free = iter([digit for digit in "1234567890" if digit not in taken])
    return [label if label.key else label.model_copy(update={"key": next(free, None)}) for label in labels]


def _check_inputs(inputs: list[InputField]) -> list[InputField]:
    _unique([field.name for field in inputs], "the input")
    return inputs


Labels = Annotated[list[Label], Field(max_length=1000), AfterValidator(complete_labels)]
Inputs = Annotated[list[InputField], Field(max_length=1000), AfterValidator(_check_inputs)]
NullOutputs = Annotated[list[Any], Field(max_length=50)]


class ModelCreate(Input):
    """A new model. Labels may stay empty for an open set of answers; one label alone decides nothing."""

    name: Slug
    title: Titles = {}
    item_kind: ItemKind
    output_kind: OutputKind = "label"
    labels: Labels = []
    inputs: Inputs = []
    metrics: Names = []
    segment_keys: Names = []
    null_outputs: NullOutputs = []
    is_schema_locked: bool = False
    settings: SmallJson = {}

    @model_validator(mode="after")
    def _check_labels(self) -> ModelCreate:
        if self.output_kind != "label" and self.labels:
            raise ValueError("only a model whose output is a label has labels")
        if len(self.labels) == 1:
            raise ValueError("one label alone decides nothing: give at least two")
        return self


class ModelPatch(Input):
    """Changes to a model. Lists replace the old ones; what was logged under keeps its meaning (see the service)."""

    title: Titles | None = None
    labels: Labels | None = None
    inputs: Inputs | None = None
    metrics: Names | None = None
    segment_keys: Names | None = None
    null_outputs: NullOutputs | None = None
    is_schema_locked: bool | None = None
    settings: SmallJson | None = None


class LabelRead(Output):
    name: str
    title: dict[str, str] = {}
    is_defect: bool = False
    key: str | None = None


class InputFieldRead(Output):
    name: str
    type: str
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: list[str] = []


class ModelRead(Output):
    id: str
    name: str
    title: dict[str, str]
    item_kind: str
    output_kind: str
    labels: list[LabelRead]
    inputs: list[InputFieldRead]
    metrics: list[str]
    segment_keys: list[str]
    null_outputs: list[Any]
    is_schema_locked: bool
    schema_version: int
    settings: dict[str, Any]
    created_at: datetime
