"""The two shapes of an event: as callers send it (wire) and as it is stored. Used by the door, reads and seal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

UTC_US = pa.timestamp("us", tz="UTC")
ROLES = ("champion", "shadow", "canary", "ab", "external")
STATUSES = ("ok", "error", "timeout", "rejected")

#: Declared type of an input -> the Arrow type it is stored as.
INPUT_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "time": UTC_US,
}

BASE_FIELDS: tuple[pa.Field, ...] = (
    pa.field("event_id", pa.string()),
    pa.field("request_id", pa.string()),
    pa.field("subject_id", pa.string()),
    pa.field("trace_id", pa.string()),
    pa.field("step", pa.string()),
    pa.field("version", pa.string()),
    pa.field("role", pa.string()),
    pa.field("happened_at", UTC_US),
    pa.field("logged_at", UTC_US),
    pa.field("prediction", pa.string()),
    pa.field("prediction_number", pa.float64()),
    pa.field("is_null_output", pa.bool_()),
    pa.field("score", pa.float64()),
    pa.field("scores", pa.string()),
    pa.field("latency_ms", pa.float64()),
    pa.field("status", pa.string()),
    pa.field("error", pa.string()),
    pa.field("is_cached", pa.bool_()),
    pa.field("champion_prediction", pa.string()),
    # The probability with which the shares of a rollout gave the request to this version; null where none did.
    pa.field("assignment_probability", pa.float64()),
    pa.field("artifacts", pa.list_(pa.string())),
    pa.field("n_missing", pa.int16()),
    pa.field("extra", pa.string()),
)
BASE_COLUMNS: tuple[str, ...] = tuple(column.name for column in BASE_FIELDS)
#: Columns that callers do not send: they say nothing about whether two events are the same.
MADE_COLUMNS = frozenset({"logged_at", "is_null_output", "n_missing"})

#: Numbers that the worker takes from an item's first file, by the kind of item; they join the row when it is sealed.
MEDIA_MEASURES: dict[str, tuple[str, ...]] = {
    "image": ("brightness", "contrast", "sharpness", "width_px", "height_px"),
    "audio": ("duration_s", "volume_dbfs", "silence_share"),
    "text": ("length_chars",),
}
MEDIA_PREFIX = "media_"

#: Text fields of the wire and the longest value each may hold, in characters.
TEXT_LIMITS: dict[str, int] = {
    "id": 200,
    "request_id": 200,
    "subject_id": 200,
    "trace_id": 200,
    "step": 100,
    "version": 100,
    "role": 20,
    "status": 20,
    "error": 10_000,
}
WIRE_FIELDS = frozenset(TEXT_LIMITS) | {
    "model",
    "happened_at",
    "inputs",
    "prediction",
    "score",
    "scores",
    "latency_ms",
    "is_cached",
    "champion_prediction",
    "assignment_probability",
    "segments",
    "metrics",
    "artifacts",
}


class ModelLike(Protocol):
    """What the event log needs to know of a model: a row of `models`, or anything with these attributes."""

    id: Any
    name: Any
    output_kind: Any
    labels: Any
    inputs: Any
    metrics: Any
    segment_keys: Any
    null_outputs: Any
    item_kind: Any
    is_schema_locked: Any
    schema_version: Any


@dataclass(frozen=True, slots=True)
class InputField:
    """One declared input, with the range or the categories that its values should keep to."""

    name: str
    type: str
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        return "in_" + self.name


@dataclass(frozen=True)
class ModelSpec:
    """An immutable copy of the parts of a model that shape its events."""

    id: str
    name: str
    output_kind: str = "label"
    inputs: tuple[InputField, ...] = ()
    metrics: tuple[str, ...] = ()
    segment_keys: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    null_outputs: tuple[Any, ...] = ()
    is_locked: bool = False
    schema_version: int = 1
    item_kind: str = ""

    @cached_property
    def input_types(self) -> dict[str, str]:
        return {item.name: item.type for item in self.inputs}

    @cached_property
    def places(self) -> tuple[dict[str, tuple[str, str]], dict[str, str], dict[str, str]]:
        """Where the members of inputs (with their types), segments and metrics are stored."""
        return (
            {item.name: (item.type, item.column) for item in self.inputs},
            {key: "seg_" + key for key in self.segment_keys},
            {name: "metric_" + name for name in self.metrics},
        )

    @property
    def media_columns(self) -> tuple[str, ...]:
        return tuple(MEDIA_PREFIX + name for name in MEDIA_MEASURES.get(self.item_kind, ()))

    @cached_property
    def stored(self) -> pa.Schema:
        """The columns that are read: those that were sent, and what the item's file measured."""
        return pa.schema([*self.sent, *(pa.field(name, pa.float64()) for name in self.media_columns)])

    @cached_property
    def sent(self) -> pa.Schema:
        """The columns of a row as it is committed at the door."""
        return pa.schema(
            [
                *BASE_FIELDS,
                *(pa.field(item.column, INPUT_TYPES[item.type]) for item in self.inputs),
                *(pa.field("seg_" + key, pa.string()) for key in self.segment_keys),
                *(pa.field("metric_" + name, pa.float64()) for name in self.metrics),
            ]
        )

    @cached_property
    def null_texts(self) -> frozenset[str]:
        """The stored texts of an output that count as no answer, beside a missing one."""
        declared = self.null_outputs or ("", [])
        return frozenset(null_text(value, self.output_kind) for value in declared if value is not None)


def null_text(value: Any, output_kind: str) -> str:
    """How a declared null output looks in the `prediction` column."""
    if output_kind in ("label", "text") and isinstance(value, str):
        return value
    if output_kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(pa.array([float(value)]).cast(pa.string())[0].as_py())
    return canonical_json(value)


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys and no spaces: equal values have equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True)


def spec_of(model: ModelLike | ModelSpec) -> ModelSpec:
    """The immutable view of a model row."""
    if isinstance(model, ModelSpec):
        return model
    return ModelSpec(
        id=model.id,
        name=model.name,
        output_kind=model.output_kind,
        inputs=tuple(map(_input_field, model.inputs or ())),
        metrics=tuple(model.metrics or ()),
        segment_keys=tuple(model.segment_keys or ()),
        labels=tuple(item["name"] for item in model.labels or ()),
        null_outputs=tuple(model.null_outputs or ()),
        is_locked=bool(model.is_schema_locked),
        schema_version=int(model.schema_version or 1),
        item_kind=str(model.item_kind or ""),
    )


def _input_field(item: Mapping[str, Any]) -> InputField:
    return InputField(
        item["name"],
        item.get("type", "number"),
        item.get("minimum"),
        item.get("maximum"),
        tuple(item.get("categories") or ()),
    )


def stored_schema(model: ModelLike | ModelSpec) -> pa.Schema:
    """The Arrow schema in which a model's events are stored.

    >>> spec = ModelSpec("1", "pcb", inputs=(InputField("brightness", "number"),), segment_keys=("line",))
    >>> stored_schema(spec).names[-2:]
    ['in_brightness', 'seg_line']
    """
    return spec_of(model).stored


def wire_schema(
    model: ModelLike | ModelSpec,
    *,
    extra_inputs: dict[str, pa.DataType] | None = None,
    extra_segments: tuple[str, ...] = (),
    extra_metrics: tuple[str, ...] = (),
    score_labels: tuple[str, ...] = (),
) -> pa.Schema:
    """The Arrow schema of one event as callers send it in NDJSON; times are still text.

    The extra arguments name fields that were seen but are not declared; they end up in the `extra` column.
    """
    spec = spec_of(model)
    inputs = {item.name: pa.string() if item.type == "time" else INPUT_TYPES[item.type] for item in spec.inputs}
    inputs.update(extra_inputs or {})
    labels = dict.fromkeys([*spec.labels, *score_labels])
    segments = dict.fromkeys([*spec.segment_keys, *extra_segments])
    metrics = dict.fromkeys([*spec.metrics, *extra_metrics])
    answer = pa.float64() if spec.output_kind == "number" else pa.string()
    return pa.schema(
        [
            *(pa.field(name, pa.string()) for name in TEXT_LIMITS),
            pa.field("model", pa.string()),
            pa.field("happened_at", pa.string()),
            pa.field("inputs", pa.struct([pa.field(name, kind) for name, kind in inputs.items()])),
            pa.field("prediction", answer),
            pa.field("champion_prediction", answer),
            pa.field("score", pa.float64()),
            pa.field("scores", pa.struct([pa.field(name, pa.float64()) for name in labels])),
            pa.field("latency_ms", pa.float64()),
            pa.field("assignment_probability", pa.float64()),
            pa.field("is_cached", pa.bool_()),
            pa.field("segments", pa.struct([pa.field(name, pa.string()) for name in segments])),
            pa.field("metrics", pa.struct([pa.field(name, pa.float64()) for name in metrics])),
            pa.field("artifacts", pa.list_(pa.string())),
        ]
    )
