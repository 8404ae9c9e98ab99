"""Changes that callers made to a model's inputs, and the inputs that were inferred from what they sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.event_log import SchemaNotice
from db.models.model import Model


def note(
    session: Session, model_id: str, now: datetime, seen: Mapping[tuple[str, str], tuple[int, dict[str, Any]]]
) -> None:
    """Count what was seen: (field, change) -> (events, details). The first details are kept."""
    if not seen:
        return
    rows = [
        {
            "model_id": model_id,
            "field": field[:200],
            "change": change,
            "details": details,
            "n_events": n,
            "first_seen_at": now,
            "last_seen_at": now,
        }
        for (field, change), (n, details) in sorted(seen.items())
    ]
    maker = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = maker(SchemaNotice).values(rows)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["model_id", "field", "change"],
            set_={
                "n_events": SchemaNotice.n_events + statement.excluded.n_events,
                "last_seen_at": statement.excluded.last_seen_at,
            },
        )
    )


def list_notices(
    session: Session,
    *,
    model_ids: list[str] | None = None,
    only_open: bool = False,
    before_id: int | None = None,
    limit: int = 100,
) -> list[SchemaNotice]:
    """Notices, newest first."""
    statement = select(SchemaNotice)
    if model_ids is not None:
        statement = statement.where(SchemaNotice.model_id.in_(model_ids))
    if only_open:
        statement = statement.where(SchemaNotice.acknowledged_by.is_(None))
    if before_id is not None:
        statement = statement.where(SchemaNotice.id < before_id)
    return list(session.scalars(statement.order_by(SchemaNotice.id.desc()).limit(limit)))


def find_notice(session: Session, notice_id: int) -> SchemaNotice | None:
    """One notice by its id."""
    return session.get(SchemaNotice, notice_id)


def extend_inputs(session: Session, model_id: str, fields: Mapping[str, str], limit: int) -> Model | None:
    """Declare inputs that were inferred, unless the model is locked or has them. Returns the model as it now is."""
    model = session.scalar(select(Model).where(Model.id == model_id).with_for_update())
    if model is None:
        return None
    known = {str(item["name"]).casefold() for item in model.inputs}
    fresh = []
    for name, kind in fields.items():
        if name.casefold() not in known and len(known) < limit:
            known.add(name.casefold())
            fresh.append({"name": name, "type": kind, "required": False})
    if fresh and not model.is_schema_locked:
        model.inputs = [*model.inputs, *fresh]
        model.schema_version += 1
        session.flush()
    return model
