"""From callers' events to checked parts: rows are checked one by one, bad ones are set aside with their reason."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db.eventlog.ids import make_ids
from db.eventlog.limits import DoorLimits
from db.eventlog.pending import Part
from db.eventlog.problems import Refusal, RowProblem
from db.eventlog.schema import ModelSpec
from db.eventlog.validate import FIELD_NAME, MAX_INPUTS, Row, Validator, parse_json

#: Undeclared input -> (type it suggests, events that carried it).
Unknown = dict[str, tuple[str, int]]
RAW_CHARACTERS = 16_000


@dataclass(slots=True)
class Checked:
    """Events of one model that passed the door, where they stood in the request, and those that did not."""

    spec: ModelSpec
    part: Part | None
    indexes: Sequence[int]
    refusals: list[Refusal] = field(default_factory=list)
    unknown: Unknown = field(default_factory=dict)
    changed: Unknown = field(default_factory=dict)


def now_us() -> int:
    """The current time in microseconds since 1970."""
    return time.time_ns() // 1000


def check_rows(
    events: Iterable[tuple[int, Any]], spec: ModelSpec, limits: DoorLimits, *, allow_nan: bool = False
) -> Checked:
    """Check parsed events one by one; `events` pairs each with its place in the request."""
    validator = Validator(spec, limits, limits.window_us(), allow_nan=allow_nan)
    rows: list[Row] = []
    indexes: list[int] = []
    refusals: list[Refusal] = []
    changed: Unknown = {}
    for index, event in events:
        try:
            rows.append(validator.check(event))
            indexes.append(index)
        except RowProblem as problem:
            refusals.append(refuse(index, problem, event))
            note_change(changed, problem)
    part = complete(rows, spec) if rows else None
    return Checked(spec, part, indexes, refusals, validator.unknown, changed)


def complete(rows: list[Row], spec: ModelSpec) -> Part:
    """Give rows what they lack: an id, a time, and when they were logged."""
    at = now_us()
    is_made = ["event_id" not in row for row in rows]
    is_now = ["happened_at" not in row for row in rows]
    made = iter(make_ids(sum(is_made)).to_pylist()) if any(is_made) else iter(())
    for row in rows:
        row["logged_at"] = at
        if "event_id" not in row:
            row["event_id"] = next(made)
        row.setdefault("happened_at", at)
    if len(rows) == 1:
        return Part(spec, rows=rows, is_made=is_made[0], is_now=is_now[0])
    return Part(spec, rows=rows, is_made=np.array(is_made), is_now=np.array(is_now))


def note_change(changed: Unknown, problem: RowProblem) -> None:
    """Remember which input came with another type than declared."""
    if problem.code == "type_changed" and problem.pointer.startswith("/inputs/"):
        name = problem.pointer[len("/inputs/") :].replace("~1", "/").replace("~0", "~")
        changed[name] = (problem.message, changed.get(name, ("", 0))[1] + 1)


def refuse(index: int, problem: RowProblem, event: Any) -> Refusal:
    """The refusal of one event, with as much of it as a quarantine keeps."""
    return Refusal(index, problem.status, problem.code, storable(problem.pointer), problem.message, raw_text(event))


def raw_text(event: Any) -> str:
    """A refused event as text that any database can hold."""
    if isinstance(event, bytes):
        return storable(event[: RAW_CHARACTERS * 4].decode("utf-8", "replace"))
    if isinstance(event, str):
        return storable(event)
    try:
        return json.dumps(event, ensure_ascii=True, default=str)[:RAW_CHARACTERS]
    except (ValueError, RecursionError):
        return ""


def storable(text: str) -> str:
    """Text without NUL and half surrogate pairs, cut to what the quarantine keeps."""
    cut = text[:RAW_CHARACTERS]
    return cut.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def parse_lines(body: bytes, limits: DoorLimits, first_index: int = 0) -> tuple[list[tuple[int, Any]], list[Refusal]]:
    """Parse NDJSON line by line; blank lines are skipped and do not count. Each event comes with its place."""
    events: list[tuple[int, Any]] = []
    refusals: list[Refusal] = []
    index = first_index
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            events.append((index, parse_line(line, limits)))
        except RowProblem as problem:
            refusals.append(refuse(index, problem, line))
        index += 1
    return events, refusals


def parse_line(line: bytes, limits: DoorLimits) -> Any:
    """One event as parsed JSON, or RowProblem."""
    if len(line) > limits.max_event_bytes:
        raise RowProblem("too_large", f"an event has at most {limits.max_event_bytes} bytes", status=413)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowProblem("not_utf8", "the text is not UTF-8", status=400) from error
    if "\0" in text:
        raise RowProblem("nul_character", "the text contains NUL bytes (is it UTF-16?)", status=400)
    return parse_json(text)


def inferable(unknown: Unknown, spec: ModelSpec) -> dict[str, str]:
    """Undeclared inputs that can become declared ones: a simple type and a name of their own."""
    if spec.is_locked:
        return {}
    known = {name.casefold() for name in spec.input_types}
    made: dict[str, str] = {}
    for name, (kind, _) in unknown.items():
        is_new = name.casefold() not in known and len(known) < MAX_INPUTS
        if kind != "json" and is_new and FIELD_NAME.fullmatch(name):
            known.add(name.casefold())
            made[name] = kind
    return made
