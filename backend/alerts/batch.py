"""Opens a review batch for an incident: a stratified draw from the rows of its window, queued for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from backend.alerts import schemas
from backend.alerts.incidents import require_incident, show_all
from backend.alerts.links import scope_of
from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid
from db.base import utc_now
from db.engine import Database
from db.eventlog.filters import Filter
from db.models.alert import AlertIncident
from db.repositories import audit, models, review_policies, review_tasks, subjects
from db.repositories.resolution import build_item, item_of
from review.rules.batches import BatchItem, Picked, draw_batch
from review.rules.marks import boxes_beside
from review.rules.queue import FILE_KINDS, priority_of

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: Rows of a window that a draw looks at; of a larger window the newest.
MAX_ROWS = 200_000
_COLUMNS = (
    "event_id", "subject_id", "request_id", "role", "status", "score", "prediction", "champion_prediction",
    "happened_at", "artifacts", "extra",
)  # fmt: skip


def open_batch(
    database: Database, eventlog: EventLog, me: Principal, incident_id: str, n: int, seed: int
) -> schemas.IncidentOut:
    """Queue about `n` items of the incident's window; once per incident."""
    with database.read() as session:
        incident, _ = require_incident(session, me, incident_id)
        model = models.get_model(session, incident.model_id)
        assert model is not None
    _refuse(incident)
    table = _rows(eventlog, model, incident)
    feature = incident.series if (incident.rule.get("condition") or {}).get("kind") == "drift" else None
    items, events = _items(table, feature, model.item_kind in FILE_KINDS)
    picked = draw_batch(list(items.values()), n, seed)
    if not picked:
        raise Invalid("there are no rows behind this incident that people could look at", code="no_rows")
    with database.write() as writing:
        row, name = require_incident(writing, me, incident_id, to_write=True)
        _refuse(row)
        tasks = _tasks(writing, model, row, picked, events, seed)
        added = review_tasks.add_tasks(writing, tasks)
        by_stratum = {stratum: sum(one.stratum == stratum for one in picked) for stratum in {p.stratum for p in picked}}
        row.batch = {
            "n_tasks": len(added),
            "n_population": len(items),
            "by_stratum": by_stratum,
            "opened_by": me.actor,
            "opened_at": utc_now().isoformat(),
        }
        writing.flush()
        details = {"incident": row.id, "n_tasks": len(added)}
        audit.record(writing, me.actor, "alert.batch_opened", f"model:{name}", details)
        return show_all(writing, [row], {row.model_id: name})[0]


def _refuse(incident: AlertIncident) -> None:
    if incident.kind == "failure":
        raise Invalid("a failed evaluation has no rows behind it")
    if incident.batch is not None:
        raise Conflict("a review batch was opened for this incident already", code="batch_exists")


def _rows(eventlog: EventLog, model: Any, incident: AlertIncident) -> pa.Table:
    version, segment = scope_of(incident.rule, incident.series)
    where = [Filter("version", "eq", version)] if version else []
    if segment:
        where.append(Filter(f"seg_{segment[0]}", "eq", segment[1]))
    inputs = [name for name in eventlog.models.by_id(model.id).stored.names if name.startswith("in_")]
    columns = [*_COLUMNS, *inputs]
    return eventlog.read(
        model.id,
        incident.window_start,
        incident.window_end,
        columns=columns,
        where=where,
        limit=MAX_ROWS,
        newest_first=True,
    )


def _items(
    table: pa.Table, feature: str | None, needs_artifact: bool
) -> tuple[dict[str, BatchItem], dict[str, dict[str, Any]]]:
    """One item per subject: its newest answer that callers got, and whether a challenger contradicted it.

    People can only judge what can be shown to them: where items are pictures or sounds, those without one are left
    out, and inclusion probabilities are over the rest.
    """
    drifted = _drifted(table, feature)
    items: dict[str, BatchItem] = {}
    events: dict[str, dict[str, Any]] = {}
    pictures: dict[str, list[str]] = {}
    for place, row in enumerate(table.to_pylist()):
        subject_id = row["subject_id"] or row["request_id"] or row["event_id"]
        before = items.get(subject_id)
        is_shadow = row["role"] == "shadow"
        against = row["champion_prediction"]
        disagrees = is_shadow and against is not None and against != row["prediction"]
        is_answer = not is_shadow and row["status"] == "ok"
        if is_answer and (subject_id not in events or events[subject_id]["role"] == "shadow"):
            events[subject_id] = row
        events.setdefault(subject_id, row)
        score = before.score if before is not None else None
        if is_answer and score is None:
            score = row["score"]
        items[subject_id] = BatchItem(
            subject_id,
            score=score,
            disagrees=disagrees or bool(before and before.disagrees),
            is_in_drifted_bin=bool(drifted[place]) or bool(before and before.is_in_drifted_bin),
        )
        pictures.update({subject_id: row["artifacts"]} if row["artifacts"] else {})
    if needs_artifact:
        items = {one: item for one, item in items.items() if one in pictures}
    return items, {one: {**events[one], "artifacts": pictures.get(one) or []} for one in items}


def _drifted(table: pa.Table, feature: str | None) -> Any:
    """Rows whose value of the drifted feature is missing or in the outer fifth of the window's values."""
    name = f"in_{feature}"
    if feature is None or name not in table.column_names:
        return np.zeros(table.num_rows, dtype=bool)
    column = table[name]
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return column.is_null().to_numpy(zero_copy_only=False)
    numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return np.ones(len(numbers), dtype=bool)
    low, high = np.quantile(known, (0.1, 0.9))
    return ~np.isfinite(numbers) | (numbers < low) | (numbers > high)


def _tasks(
    session: Any,
    model: Any,
    incident: AlertIncident,
    picked: list[Picked],
    events: dict[str, dict[str, Any]],
    seed: int,
) -> list[dict[str, Any]]:
    known = subjects.find_subjects(session, model.id, [one.subject_id for one in picked])
    mode = review_policies.current_policy(session, model).mode
    rows = []
    for one in picked:
        subject, event = known.get(one.subject_id), events[one.subject_id]
        details = subject.details if subject is not None else {}
        rows.append(
            {
                "model_id": model.id,
                "subject_id": one.subject_id,
                "event_id": event["event_id"],
                "reason": "alert",
                "stratum": one.stratum,
                "mode": mode,
                "priority": priority_of("alert", one.subject_id, seed),
                "pi": one.pi,
                "policy_id": incident.id,
                "seed": seed,
                "n_wanted": 1,
                "item": item_of(subject) if subject is not None else _item(event),
                "answers": subjects.machine_answers(details),
                "segments": dict(subject.segments) if subject is not None else {},
                "happened_at": event["happened_at"],
            }
        )
    return rows


def _item(event: dict[str, Any]) -> dict[str, Any]:
    """What the bench shows of a subject that triage has not remembered: what the event itself carries."""
    inputs = {name[3:]: value for name, value in event.items() if name.startswith("in_") and value is not None}
    shown = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in inputs.items()}
    pictures = [*event["artifacts"], None, None]
    return build_item(pictures[0], pictures[1], {"inputs": shown, "boxes": boxes_beside(event.get("extra"))})
