"""NDJSON in bulk: pyarrow parses the whole body with the model's explicit schema, without a look at single rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from db.eventlog.door import Checked, Unknown, parse_line
from db.eventlog.from_wire import Doubtful, convert
from db.eventlog.limits import DoorLimits
from db.eventlog.problems import RowProblem
from db.eventlog.schema import ModelSpec, wire_schema
from db.eventlog.validate import kind_of

#: A body is parsed in pieces of about this size: bounds memory, and a bad row makes only its piece slow.
PIECE_BYTES = 2**20
_LINE_END, _RETURN, _OPEN, _CLOSE = b"\n\r{}"
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_LINES = 200
_MAX_HINTS = 500
#: What an undeclared input of a locked model is parsed as on its way into `extra`.
HINT_TYPES = {"number": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}


@dataclass(frozen=True, slots=True)
class Hints:
    """Undeclared names that a model's callers keep sending; the explicit schema is widened by them."""

    inputs: dict[str, pa.DataType] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return len(self.inputs) + len(self.segments) + len(self.metrics) + len(self.labels)


class HintStore:
    """Hints per model and schema version, learned from bodies that the declared schema does not fit."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], Hints] = {}
        self._lock = threading.Lock()

    def get(self, spec: ModelSpec) -> Hints:
        return self._found.get((spec.id, spec.schema_version)) or Hints()

    def learn(self, spec: ModelSpec, body: bytes) -> bool:
        """Widen the hints by what the first lines carry; False when that did not teach anything usable.

        The lines are read by the strict parser: pyarrow's inference has no limit of depth and would crash.
        """
        before = self.get(spec)
        after = before
        for line in body[: body.find(b"\n", _SAMPLE_BYTES)].split(b"\n")[:_SAMPLE_LINES]:
            try:
                event = parse_line(line, DoorLimits())
            except RowProblem:
                return False
            wider = widen(after, spec, event) if isinstance(event, dict) else None
            if wider is None or wider.n > _MAX_HINTS:
                return False
            after = wider
        if after == before:
            return False
        with self._lock:
            if len(self._found) > 1000:
                self._found.clear()
            self._found[(spec.id, spec.schema_version)] = after
        return True


def widen(hints: Hints, spec: ModelSpec, event: dict[str, Any]) -> Hints | None:
    """Hints that also cover an event; None when it holds what the fast door cannot keep."""
    inputs = dict(hints.inputs)
    for name, value in _members(event, "inputs").items():
        if name in spec.input_types or value is None:
            continue
        kind = HINT_TYPES.get(kind_of(value))
        if kind is None or not spec.is_locked or not inputs.setdefault(name, kind).equals(kind):
            return None
    return replace(
        hints,
        inputs=inputs,
        segments=_more(hints.segments, _members(event, "segments"), spec.segment_keys),
        metrics=_more(hints.metrics, _members(event, "metrics"), spec.metrics),
        labels=_more(hints.labels, _members(event, "scores"), spec.labels),
    )


def _members(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _more(known: tuple[str, ...], seen: dict[str, Any], declared: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*known, *(name for name in seen if name not in declared)]))


def check_fast(body: bytes, first_index: int, spec: ModelSpec, limits: DoorLimits, store: HintStore) -> Checked | None:
    """The checked events of a body of well-formed lines, or None when the slow door has to look."""
    n_lines = count_plain_lines(body, limits.max_event_bytes) if spec.output_kind != "json" else 0
    if not n_lines:
        return None
    for is_last in (False, True):
        hints = store.get(spec)
        try:
            table = _parse(body, spec, hints)
            if table.num_rows != n_lines:
                return None
            part = convert(table, spec, limits)
        except pa.ArrowInvalid as error:
            if is_last or "unexpected field" not in str(error) or not store.learn(spec, body):
                return None
        except Doubtful:
            return None
        else:
            unknown = _unknown(table, hints)
            return Checked(spec, part, range(first_index, first_index + part.n), unknown=unknown)
    return None


def _parse(body: bytes, spec: ModelSpec, hints: Hints) -> pa.Table:
    schema = wire_schema(
        spec,
        extra_inputs=hints.inputs,
        extra_segments=hints.segments,
        extra_metrics=hints.metrics,
        score_labels=hints.labels,
    )
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    return pj.read_json(pa.BufferReader(body), read_options=_read_options(body), parse_options=options)


def _read_options(body: bytes) -> pj.ReadOptions:
    return pj.ReadOptions(use_threads=False, block_size=len(body) + 1)


def count_plain_lines(body: bytes, max_line: int) -> int:
    """The lines of a body with one object per line, no blank lines and no text that only pyarrow takes; else 0."""
    if not body.startswith(b"{") or not body.endswith(b"}") or (b"\\" in body and b"\\u0000" in body):
        return 0
    text = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(text == _LINE_END)
    if len(ends):
        before = text[ends - 1]
        if (before == _RETURN).any():
            before = np.where(before == _RETURN, text[ends - 2], before)
        if not (before == _CLOSE).all() or not (text[ends + 1] == _OPEN).all():
            return 0
    longest = max(int(np.diff(ends, prepend=-1, append=len(body)).max()) - 1, 0)
    if longest > max_line:
        return 0
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            return 0
    return len(ends) + 1


def pieces(body: bytes) -> Iterator[bytes]:
    """The body cut at line ends into pieces of about PIECE_BYTES, without the line ends around them."""
    at = 0
    while at < len(body):
        end = len(body) if len(body) - at <= PIECE_BYTES else body.find(b"\n", at + PIECE_BYTES)
        end = len(body) if end < 0 else end
        piece = body[at:end].strip(b"\r\n") if at or end < len(body) else body.strip(b"\r\n")
        if piece:
            yield piece
        at = end + 1


def _unknown(table: pa.Table, hints: Hints) -> Unknown:
    if not hints.inputs:
        return {}
    inputs = table.column("inputs").combine_chunks()
    found: Unknown = {}
    columns = dict(zip((item.name for item in inputs.type), inputs.flatten(), strict=True))
    for name in hints.inputs:
        column = columns[name]
        n = len(column) - column.null_count
        if n:
            found[name] = (kind_of(pc.drop_null(column)[0].as_py()), n)
    return found
