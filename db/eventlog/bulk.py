"""Checking the events of a bulk body: fast doors first, row by row where they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.eventlog.door import Checked, Unknown, check_rows, inferable, parse_line, parse_lines, refuse
from db.eventlog.fast_arrow import check_table, read_stream, unknown_inputs
from db.eventlog.fast_json import HintStore, check_fast, pieces
from db.eventlog.limits import DoorLimits
from db.eventlog.problems import BodyProblem, Refusal, RowProblem, UnknownModel
from db.eventlog.schema import ModelSpec

#: The spec of a model by name; UnknownModel when there is none (or the caller may not use it).
FindSpec = Callable[[str], ModelSpec]
#: Declares inputs that an unlocked model did not know and checks again: (checked, events by place).
Settle = Callable[[Checked, dict[int, Any]], Checked]


#: Declares inputs of an unlocked model: (spec, types by name, what was seen) -> the spec as it now is.
Extend = Callable[[ModelSpec, dict[str, str], Unknown], ModelSpec]
#: A piece with a doubtful row is cut into parts of this size, and only the parts with one are read line by line.
SMALL_PIECE = 32 * 1024


@dataclass(slots=True)
class CheckedBody:
    """All events of a body: checked ones per model, and refused ones that belong to no model."""

    n: int
    models: list[Checked] = field(default_factory=list)
    orphans: list[Refusal] = field(default_factory=list)


def check_events(
    events: Sequence[tuple[int, Any]],
    model: str | None,
    find_spec: FindSpec,
    limits: DoorLimits,
    settle: Settle,
    *,
    allow_nan: bool = False,
) -> CheckedBody:
    """Check parsed events, which may be of several models when the request names none."""
    body = CheckedBody(len(events))
    by_model: dict[str, list[tuple[int, Any]]] = {}
    for index, event in events:
        name = model if model is not None else event.get("model") if isinstance(event, dict) else None
        if isinstance(name, str):
            by_model.setdefault(name, []).append((index, event))
        else:
            problem = RowProblem("missing_field", "name the model, in the event or as ?model=", "/model")
            body.orphans.append(refuse(index, problem, event))
    for name, mine in by_model.items():
        try:
            spec = find_spec(name)
        except UnknownModel:
            problem = RowProblem("unknown_model", "there is no such model", "/model", status=404)
            body.orphans.extend(refuse(index, problem, event) for index, event in mine)
        else:
            body.models.append(settle(check_rows(mine, spec, limits, allow_nan=allow_nan), dict(mine)))
    return body


def check_json(
    raw: bytes, model: str | None, find_spec: FindSpec, limits: DoorLimits, settle: Settle, max_bytes: int
) -> CheckedBody:
    """A JSON list of events."""
    try:
        value = parse_line(raw, DoorLimits(max_event_bytes=max_bytes))
    except RowProblem as problem:
        raise BodyProblem(problem.code, problem.message, status=problem.status) from problem
    if not isinstance(value, list):
        raise BodyProblem("malformed", "the body is neither an event nor a list of events")
    if not value:
        raise BodyProblem("malformed", "the list is empty")
    return check_events(list(enumerate(value)), model, find_spec, limits, settle)


def check_ndjson(
    raw: bytes, model: str | None, find_spec: FindSpec, limits: DoorLimits, settle: Settle, hints: HintStore
) -> CheckedBody:
    """NDJSON, one event a line: whole pieces by the fast door, pieces with a doubtful row line by line."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw[:4]:
        raise BodyProblem("not_utf8", "the body is not UTF-8 (it looks like UTF-16)")
    spec = _named_spec(raw, model, find_spec, limits)
    body = CheckedBody(0)
    for piece in pieces(raw):
        _check_piece(piece, spec, body, model, find_spec, limits, settle, hints)
    if body.n == 0:
        raise BodyProblem("malformed", "the body has no events")
    return body


def _named_spec(raw: bytes, model: str | None, find_spec: FindSpec, limits: DoorLimits) -> ModelSpec | None:
    """The model that the request or its first event names, if that can be told without reading everything."""
    if model is None:
        try:
            event = parse_line(raw[: raw.find(b"\n")] if b"\n" in raw else raw, limits)
        except RowProblem:
            return None
        model = event.get("model") if isinstance(event, dict) else None
    if not isinstance(model, str):
        return None
    try:
        return find_spec(model)
    except UnknownModel:
        return None


def _check_piece(
    piece: bytes,
    spec: ModelSpec | None,
    body: CheckedBody,
    model: str | None,
    find_spec: FindSpec,
    limits: DoorLimits,
    settle: Settle,
    hints: HintStore,
    *,
    is_small: bool = False,
) -> None:
    if spec is not None:
        checked = check_fast(piece, body.n, spec, limits, hints)
        if checked is None and not is_small and len(piece) > 4 * SMALL_PIECE:
            for small in split_lines(piece, SMALL_PIECE):
                _check_piece(small, spec, body, model, find_spec, limits, settle, hints, is_small=True)
                if not spec.is_locked:
                    spec = find_spec(spec.name)  # the slow door may have declared new inputs
            return
        if checked is not None:
            body.models.append(checked)
            body.n += len(checked.indexes)
            return
    _check_slowly(piece, body, model, find_spec, limits, settle)


def _check_slowly(
    piece: bytes, body: CheckedBody, model: str | None, find_spec: FindSpec, limits: DoorLimits, settle: Settle
) -> None:
    events, refusals = parse_lines(piece, limits, first_index=body.n)
    found = check_events(events, model, find_spec, limits, settle)
    if refusals and model is not None and found.models:
        found.models[0].refusals = sorted([*found.models[0].refusals, *refusals], key=lambda item: item.index)
    else:
        body.orphans.extend(refusals)
    body.models.extend(found.models)
    body.orphans.extend(found.orphans)
    body.n += found.n + len(refusals)


def split_lines(piece: bytes, size: int) -> Iterator[bytes]:
    """A piece cut at line ends into parts of about `size` bytes."""
    at = 0
    while at < len(piece):
        end = piece.find(b"\n", at + size)
        end = len(piece) if end < 0 else end
        part = piece[at:end].strip(b"\r\n")
        if part:
            yield part
        at = end + 1


def check_arrow(raw: bytes, model: str | None, find_spec: FindSpec, limits: DoorLimits, extend: Extend) -> CheckedBody:
    """An Arrow stream of one model's events."""
    if model is None:
        raise BodyProblem("missing_field", "name the model of an Arrow stream as ?model=", status=422)
    spec = find_spec(model)
    table = read_stream(raw, spec)
    unknown = unknown_inputs(table, spec)
    fields = inferable(unknown, spec)
    if fields:
        spec = extend(spec, fields, unknown)
    return CheckedBody(table.num_rows, check_table(table, spec, limits))
