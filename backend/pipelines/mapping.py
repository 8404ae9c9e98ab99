"""From spans to events: which step of which pipeline a span is, and which attribute becomes which field. Pure.

Every attribute has a default name; a pipeline's own names (AttributeMapping) are looked at first. The names of the
GenAI semantic conventions of OpenTelemetry are among the defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from backend.pipelines.span import STATUS_ERROR, Span, as_number, as_text
from db.eventlog.problems import RowProblem
from db.eventlog.validate import printable

DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "step": ("soi.step",),
    "model": ("soi.model",),
    "version": ("soi.version", "gen_ai.response.model", "gen_ai.request.model", "service.version"),
    "role": ("soi.role",),
    "subject_id": ("soi.subject_id", "gen_ai.conversation.id"),
    "request_id": ("soi.request_id", "gen_ai.response.id"),
    "prediction": ("soi.prediction", "gen_ai.output.messages", "gen_ai.completion"),
    "score": ("soi.score",),
}
INPUTS: Final[Mapping[str, str]] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
}
METRICS: Final[Mapping[str, str]] = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
}
PREFIXES: Final[Mapping[str, str]] = {"inputs": "soi.input.", "metrics": "soi.metric.", "segments": "soi.segment."}
#: Said by spans of callers that tell no version.
NO_VERSION: Final = "unversioned"
_TIMEOUTS: Final = ("timeout", "timedout", "timed_out", "deadline")


@dataclass(frozen=True, slots=True)
class Declared:
    """A pipeline as the door needs it: its steps as step name -> model name, its services, and its own attributes."""

    name: str
    steps: Mapping[str, str]
    services: frozenset[str] = frozenset()
    mapping: Mapping[str, Any] = field(default_factory=dict)

    def names(self, what: str) -> tuple[str, ...]:
        """Attributes that may hold a field, in the order in which they are looked at."""
        return (*self.mapping.get(what, ()), *DEFAULTS[what])


@dataclass(frozen=True, slots=True)
class Target:
    """Where a span belongs."""

    pipeline: Declared
    step: str
    model: str


def find_target(span: Span, pipelines: Sequence[Declared], asked: str | None = None) -> Target:
    """The step that a span is; RowProblem where there is none, or where several pipelines could be meant.

    The pipeline is the one that the span, its resource (`soi.pipeline`) or the request names, else those that declare
    the resource's service.name, else any. The step is the one that `soi.step` or the span's name names; a span that
    names only its model is that model's step where there is one such step.
    """
    targets = {
        (target.step, target.model): target
        for pipeline in _candidates(span, pipelines, asked)
        if (target := _step_of(span, pipeline)) is not None
    }
    if len(targets) == 1:
        return next(iter(targets.values()))
    if targets:
        raise RowProblem(
            "ambiguous_step", f"several pipelines have a step {printable(span.name)}: name the pipeline", "/name"
        )
    raise RowProblem("unknown_step", f"no pipeline has a step for the span {printable(span.name)}", "/name")


def _candidates(span: Span, pipelines: Sequence[Declared], asked: str | None) -> list[Declared]:
    named = span.attributes.get("soi.pipeline") or span.source.attributes.get("soi.pipeline") or asked
    if named is not None:
        found = [pipeline for pipeline in pipelines if pipeline.name == named]
        if not found:
            raise RowProblem("unknown_pipeline", f"there is no pipeline {printable(str(named))}", "/attributes")
        return found
    service = span.source.service
    mine = [pipeline for pipeline in pipelines if service in pipeline.services or service == pipeline.name]
    return mine or list(pipelines)


def _step_of(span: Span, pipeline: Declared) -> Target | None:
    model = as_text(_first(span, pipeline.names("model")))
    step = as_text(_first(span, pipeline.names("step"))) or span.name
    found = pipeline.steps.get(step)
    if found is not None and model in (None, found):
        return Target(pipeline, step, found)
    same = [name for name, of in pipeline.steps.items() if of == model]
    return Target(pipeline, same[0], pipeline.steps[same[0]]) if len(same) == 1 else None


def to_event(span: Span, target: Target, output_kind: str) -> dict[str, Any]:
    """The event of a span: it happened when the span began and took as long as the span did.

    RowProblem where ids or times of the span make no sense.
    """
    check_ids(span)
    mapping = target.pipeline
    found = {what: _first(span, mapping.names(what)) for what in DEFAULTS if what not in ("step", "model")}
    status, error = _status(span)
    event = {
        "id": span.event_id,
        "trace_id": span.trace_id,
        "step": target.step,
        "version": as_text(found["version"]) or NO_VERSION,
        "role": as_text(found["role"]),
        "subject_id": as_text(found["subject_id"]),
        "request_id": as_text(found["request_id"]),
        "happened_at": _rfc3339(span.start_ns),
        "latency_ms": (span.end_ns - span.start_ns) / 1e6,
        "status": status,
        "error": error,
        "prediction": _answer(found["prediction"], output_kind),
        "score": as_number(found["score"]),
        "inputs": _group(span, mapping.mapping.get("inputs", {}), "inputs", INPUTS),
        "metrics": {
            name: value
            for name, value in _group(span, mapping.mapping.get("metrics", {}), "metrics", METRICS).items()
            if value is not None
        },
        "segments": {
            name: as_text(value)
            for name, value in _group(span, mapping.mapping.get("segments", {}), "segments", {}).items()
        },
    }
    return {name: value for name, value in event.items() if value is not None and value != {}}


def check_ids(span: Span) -> None:
    """16 and 8 bytes, not all zero, as OpenTelemetry asks; an end that is not before the start."""
    for value, size, pointer in ((span.trace_id, 32, "/traceId"), (span.span_id, 16, "/spanId")):
        if len(value) != size or not value.strip("0") or value.strip("0123456789abcdef"):
            raise RowProblem("bad_span_id", f"an id of {size // 2} bytes, not all zero, is needed", pointer)
    if span.start_ns <= 0 or span.start_ns >= 2**63:
        raise RowProblem("bad_time", "the span has no start", "/startTimeUnixNano")
    if span.end_ns < span.start_ns or span.end_ns >= 2**63:
        raise RowProblem("bad_time", "the span ends before it starts, or has not ended", "/endTimeUnixNano")


def _first(span: Span, names: Iterable[str]) -> Any:
    """The first attribute that is there, on the span or on its resource."""
    for name in names:
        for attributes in (span.attributes, span.source.attributes):
            value = attributes.get(name)
            if value is not None:
                return value
    return None


def _group(span: Span, renamed: Mapping[str, str], what: str, usual: Mapping[str, str]) -> dict[str, Any]:
    """Inputs, metrics or segments: everything with the prefix, the usual attributes, and the pipeline's own."""
    prefix = PREFIXES[what]
    made = {name[len(prefix) :]: as_number(value) for name, value in span.attributes.items() if name.startswith(prefix)}
    made.pop("", None)
    for name, attribute in (*usual.items(), *renamed.items()):
        value = span.attributes.get(attribute, span.source.attributes.get(attribute))
        if value is not None:
            made[name] = as_number(value)
    return made


def _answer(value: Any, output_kind: str) -> Any:
    if output_kind in ("label", "text"):
        text = as_text(value)
        return text if text is not None or value is None else orjson.dumps(value).decode()
    if output_kind == "number":
        return as_number(value)
    return value


def _status(span: Span) -> tuple[str, str | None]:
    if span.status != STATUS_ERROR:
        return "ok", None
    kind = as_text(span.attributes.get("error.type")) or ""
    told = (span.failure or kind)[:10_000]
    is_late = any(word in text.casefold() for word in _TIMEOUTS for text in (kind, told[:200]))
    return ("timeout" if is_late else "error"), told or None


def _rfc3339(ns: int) -> str:
    """Below 2**63 ns since 1970 there is no year that cannot be written."""
    whole, rest = divmod(ns // 1000, 1_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"
