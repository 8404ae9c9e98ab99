"""Checking the events of a bulk body: fast doors first, row by row where they refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.eventlog.door import Checked, check_rows, parse_line, parse_lines, refuse
from db.eventlog.limits import DoorLimits
from db.eventlog.problems import BodyProblem, Refusal, RowProblem, UnknownModel
from db.eventlog.schema import ModelSpec

#: The spec of a model by name; UnknownModel when there is none (or the caller may not use it).
FindSpec = Callable[[str], ModelSpec]
#: Declares inputs that an unlocked model did not know and checks again: (checked, events by place).
Settle = Callable[[Checked, dict[int, Any]], Checked]


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


def check_ndjson(raw: bytes, model: str | None, find_spec: FindSpec, limits: DoorLimits, settle: Settle) -> CheckedBody:
    """NDJSON, one event a line."""
    events, refusals = parse_lines(raw, limits)
    if not events and not refusals:
        raise BodyProblem("malformed", "the body has no events")
    body = check_events(events, model, find_spec, limits, settle)
    if refusals and model is not None and body.models:
        body.models[0].refusals = sorted([*body.models[0].refusals, *refusals], key=lambda item: item.index)
    else:
        body.orphans.extend(refusals)
    body.n += len(refusals)
    return body
