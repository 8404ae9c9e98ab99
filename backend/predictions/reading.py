"""Reading what was logged: pages of events, the quarantine and schema notices, each only for models one may use."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import Query
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Invalid, NotFound
from backend.models.service import require_model
from backend.predictions.schemas import EventPage, Notice, QuarantineRow
from db.eventlog.filters import BadFilter, Filter
from db.eventlog.log import EventLog
from db.models.event_log import SchemaNotice
from db.models.model import Model
from db.repositories import api_keys, models, quarantine, schema_notices, users


class EventQuery:
    """The simple filters of the event list; `where` takes JSON conditions on any column."""

    def __init__(
        self,
        version: Annotated[str | None, Query(max_length=100)] = None,
        role: Annotated[str | None, Query(max_length=20)] = None,
        status: Annotated[str | None, Query(max_length=20)] = None,
        prediction: Annotated[str | None, Query(max_length=1000)] = None,
        subject_id: Annotated[str | None, Query(max_length=200)] = None,
        request_id: Annotated[str | None, Query(max_length=200)] = None,
        trace_id: Annotated[str | None, Query(max_length=200)] = None,
        is_null_output: bool | None = None,
        where: Annotated[str | None, Query(max_length=4000, description='[["in_x", "gt", 3], ...]')] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
    ) -> None:
        same = {
            "version": version,
            "role": role,
            "status": status,
            "prediction": prediction,
            "subject_id": subject_id,
            "request_id": request_id,
            "trace_id": trace_id,
            "is_null_output": is_null_output,
        }
        self.filters = [Filter(name, "eq", value) for name, value in same.items() if value is not None]
        self.where = where
        self.limit = limit
        self.cursor = cursor


def list_events(eventlog: EventLog, model: Model, start: datetime, end: datetime, query: EventQuery) -> EventPage:
    """A page of events of [start, end), newest first."""
    if start.tzinfo is None or end.tzinfo is None:
        raise Invalid("start and end need a zone", code="bad_time")
    filters = [*query.filters, *_conditions(query.where)]
    before = _read_cursor(query.cursor) if query.cursor is not None else None
    try:
        table = eventlog.read(
            model.id, start, end, where=filters, limit=query.limit + 1, newest_first=True, before=before
        )
    except BadFilter as error:
        raise Invalid(str(error), code="bad_filter") from error
    page = table.slice(0, query.limit).to_pylist()
    following = _cursor(page[-1]) if table.num_rows > query.limit else None
    return EventPage(model=model.name, events=[wire_row(row) for row in page], next_cursor=following)


def get_event(eventlog: EventLog, model: Model, event_id: str) -> dict[str, Any]:
    """One event, or NotFound."""
    row = eventlog.find(model.id, event_id) if "\0" not in event_id else None
    if row is None:
        raise NotFound("there is no such event", details={"id": event_id[:200]})
    return wire_row(row)


def wire_row(row: dict[str, Any]) -> dict[str, Any]:
    """A stored row as JSON; `scores` and `extra` are objects again."""
    made = dict(row)
    for name in ("scores", "extra"):
        if made.get(name):
            made[name] = orjson.loads(made[name])
    return made


def _conditions(where: str | None) -> Iterable[Filter]:
    if where is None:
        return []
    try:
        listed = json.loads(where)
        return [Filter(str(item[0]), item[1], item[2] if len(item) > 2 else None) for item in listed]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise Invalid("where is a JSON list of [column, operator, value]", code="bad_filter") from error


def _cursor(row: dict[str, Any]) -> str:
    text = json.dumps([row["happened_at"].isoformat(), row["event_id"]])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, event_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return datetime.fromisoformat(at).astimezone(UTC), str(event_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise Invalid("the cursor is not one that was given out", code="bad_cursor") from error


def list_quarantine(
    session: Session, me: Principal, model: str | None, code: str | None, before_id: int | None, limit: int
) -> list[QuarantineRow]:
    """Refused events of the models one may use; those without a model are shown to people and wide keys."""
    if model is not None:
        require_model(session, me, model)
    rows = quarantine.list_rows(
        session, model_name=model, models=me.models, code=code, before_id=before_id, limit=limit
    )
    names = _names(session, {row.actor for row in rows}) if me.kind == "user" else {}
    return [
        QuarantineRow(
            id=row.id,
            model=row.model_name,
            received_at=row.received_at,
            code=row.code,
            pointer=row.pointer,
            message=row.message,
            raw=row.raw,
            actor=row.actor,
            actor_name=names.get(row.actor),
        )
        for row in rows
    ]


def _names(session: Session, actors: set[str]) -> dict[str, str]:
    """What the people and keys behind some actors are called."""
    by_kind: dict[str, set[str]] = {"user": set(), "key": set()}
    for actor in actors:
        kind, _, found_id = actor.partition(":")
        by_kind.get(kind, set()).add(found_id)
    people, keys = users.names_of(session, by_kind["user"]), api_keys.names_of(session, by_kind["key"])
    return {f"user:{i}": name for i, name in people.items()} | {f"key:{i}": name for i, name in keys.items()}


def list_notices(
    session: Session, me: Principal, model: str | None, only_open: bool, before_id: int | None, limit: int
) -> list[Notice]:
    """Schema notices of the models one may use."""
    if model is not None:
        wanted = [require_model(session, me, model)]
    elif me.models is not None:
        wanted = models.list_models(session, names=me.models, limit=1000)
    else:
        wanted = models.list_models(session, limit=1000)
    names = {found.id: found.name for found in wanted}
    rows = schema_notices.list_notices(
        session, model_ids=list(names), only_open=only_open, before_id=before_id, limit=limit
    )
    return [_notice(row, names[row.model_id]) for row in rows]


def acknowledge(session: Session, me: Principal, notice_id: int) -> Notice:
    """Mark a notice as seen by this person or key."""
    row = schema_notices.find_notice(session, notice_id) if notice_id < 2**63 else None
    model = models.get_model(session, row.model_id) if row is not None else None
    if row is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such notice")
    row.acknowledged_by = me.actor
    session.flush()
    return _notice(row, model.name)


def _notice(row: SchemaNotice, name: str) -> Notice:
    return Notice(
        id=row.id,
        model=name,
        field=row.field,
        change=row.change,
        details=row.details,
        n_events=row.n_events,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        acknowledged_by=row.acknowledged_by,
    )
