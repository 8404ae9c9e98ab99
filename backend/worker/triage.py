"""Looks through newly logged events: remembers their subjects and queues the items that people should see.

Called by the worker before sealing. Everything here may run twice: picks depend on the seed and rates of the policy in
force when an answer was given and on the subject alone, and a task exists once per subject and policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.worker.picking import IN_GROWN_BIN, Picking, read_picking, set_hours
from backend.worker.planting import Carrier, plant, shape_of
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.model import Artifact, Model
from db.models.review import Subject, TriageCursor
from db.repositories import artifacts, decisions, review_policies, review_tasks, subjects
from db.repositories.resolution import build_item, resolve_subjects
from review.rules.marks import boxes_beside
from review.rules.queue import FILE_KINDS, priority_of
from review.rules.sampling import Draw, ReviewPolicy, join_chances

#: Subjects per transaction: on SQLite nobody else writes meanwhile, and 500 kept the logging door waiting for 85 ms.
CHUNK = 50
#: Events looked through together, and batches at most: many small commits are cheaper to look through as one.
GROUP_EVENTS, GROUP_BATCHES = 10_000, 1_000
#: Versions remembered per subject.
MAX_VERSIONS = 12
_PLAIN = (
    "event_id", "request_id", "subject_id", "version", "role", "happened_at", "prediction", "is_null_output", "score",
    "status", "champion_prediction", "artifacts", "extra",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TriageResult:
    """What one run did: subjects touched (once a group of batches), tasks opened and settled; the last batch."""

    n_events: int = 0
    n_subjects: int = 0
    n_opened: int = 0
    n_settled: int = 0
    batch_id: int = 0


#: What is stored of a subject: its two pictures, segments and details.
_Facts = tuple[Any, ...]


@dataclass(slots=True)
class _Seen:
    """A subject's events within one chunk, merged into what was known of it before. `rate`: of the draw alone."""

    known: _Facts | None
    subject: dict[str, Any]
    draw: Draw | None
    policy: ReviewPolicy | None
    champion_changed: bool
    happened_at: datetime
    rate: float = 0.0


def triage(
    database: Database,
    eventlog: EventLog,
    model: Model,
    now: datetime,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> TriageResult:
    """Work through the batches after the cursor, all of them or until `is_over`, which is asked between groups."""
    total = TriageResult(batch_id=_cursor(database, model.id))
    picking: Picking | None = None
    while batches := eventlog.iter_batches(model.id, total.batch_id, GROUP_BATCHES, max_events=GROUP_EVENTS):
        picking = picking or read_picking(database, eventlog, model, now)
        total = _one_group(database, model, picking, batches, now, total)
        if is_over():
            break
    return total


def _cursor(database: Database, model_id: str) -> int:
    with database.read() as session:
        row = session.get(TriageCursor, model_id)
        return row.batch_id if row is not None else 0


def _one_group(
    database: Database,
    model: Model,
    picking: Picking,
    batches: list[tuple[int, pa.Table]],
    now: datetime,
    total: TriageResult,
) -> TriageResult:
    """Neighbouring batches: their subjects chunk by chunk, then the cursor."""
    table, last_id = pa.concat_tables([batch for _, batch in batches]), batches[-1][0]
    table = picking.mark(table)
    seen = set_hours(database, model, picking, table)
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for event in _events(picking.keep_what_matters(table), model):
        by_subject.setdefault(event["subject_id"], []).append(event)
    items = sorted(by_subject.items())
    for chunk in (dict(items[first : first + CHUNK]) for first in range(0, len(items), CHUNK)):
        with database.read() as reading:
            ahead = _look(reading, model, picking, chunk, now)
        with database.write() as session:
            n_opened, n_settled = _chunk(session, model, picking, chunk, ahead, now)
        total = replace(
            total,
            n_subjects=total.n_subjects + len(chunk),
            n_opened=total.n_opened + n_opened,
            n_settled=total.n_settled + n_settled,
        )
    with database.write() as session:
        review_policies.count_seen(session, model.id, seen)
        _advance(session, model.id, last_id, now)
    return replace(total, n_events=total.n_events + table.num_rows, batch_id=last_id)


def _advance(session: Session, model_id: str, batch_id: int, now: datetime) -> None:
    row = session.scalars(select(TriageCursor).where(TriageCursor.model_id == model_id).with_for_update()).one_or_none()
    if row is None:
        session.add(TriageCursor(model_id=model_id, batch_id=batch_id, updated_at=now))
    elif row.batch_id < batch_id:
        row.batch_id, row.updated_at = batch_id, now


def _events(table: pa.Table, model: Model) -> Iterator[dict[str, Any]]:
    """Rows as dicts: what triage looks at, the inputs and the segments. Nameless subjects go by their request."""
    names = table.column_names
    fields = {name: name.removeprefix("in_") for name in names if name.startswith("in_")}
    segments = {f"seg_{key}": key for key in model.segment_keys if f"seg_{key}" in names}
    wanted = [name for name in (*_PLAIN, IN_GROWN_BIN) if name in names]
    for row in table.select([*wanted, *fields, *segments]).to_pylist():
        event = {name: row[name] for name in wanted}
        event["subject_id"] = row["subject_id"] or row["request_id"] or row["event_id"]
        event["inputs"] = {plain: row[name] for name, plain in fields.items() if row[name] is not None}
        event["segments"] = {key: row[name] for name, key in segments.items() if row[name] is not None}
        yield event


def _look(
    session: Session,
    model: Model,
    picking: Picking,
    events: Mapping[str, list[dict[str, Any]]],
    now: datetime,
) -> dict[str, _Seen]:
    """Some subjects with their events merged. Done before the write lock is taken: it is most of the work."""
    known = subjects.find_subjects(session, model.id, events.keys())
    seen = {one: _merge(model, picking, one, rows, known.get(one)) for one, rows in events.items()}
    _measure(session, seen.values())
    return seen


def _chunk(
    session: Session,
    model: Model,
    picking: Picking,
    events: Mapping[str, list[dict[str, Any]]],
    seen: dict[str, _Seen],
    now: datetime,
) -> tuple[int, int]:
    """Subjects, tasks and disputes of some subjects, in one transaction. What changed since the look is merged anew."""
    subjects.lock_subjects(session, model.id, events)
    stored = {one: _facts(row) for one, row in subjects.find_subjects(session, model.id, events.keys()).items()}
    changed = {one: rows for one, rows in events.items() if stored.get(one) != seen[one].known}
    if changed:
        seen = seen | _look(session, model, picking, changed, now)
    subjects.upsert_subjects(session, [one.subject for one in seen.values()])
    opened = _open(session, model, picking, seen)
    plant(session, model, picking.timeline, [_carrier(one, seen[one]) for one in opened], now)
    settled = _settle(session, model, [one for one, what in seen.items() if what.champion_changed], now)
    return len(opened), sum(kind in ("consensus", "adjudicate") for kind in settled.values())


def _carrier(subject_id: str, what: _Seen) -> Carrier:
    assert what.policy is not None
    pictures = (what.subject["artifact_sha256"], what.subject["golden_sha256"])
    return Carrier(subject_id, what.policy, shape_of(*pictures, what.subject["details"]))


def _settle(session: Session, model: Model, changed: list[str], now: datetime) -> Mapping[str, str]:
    """Decisions about subjects whose answer changed are compared with it again."""
    decided = decisions.decided_among(session, model.id, changed)
    return resolve_subjects(session, model.id, decided, now) if decided else {}


def _facts(known: Subject) -> _Facts:
    return known.artifact_sha256, known.golden_sha256, known.segments, known.details


def _merge(
    model: Model,
    picking: Picking,
    subject_id: str,
    rows: Iterable[dict[str, Any]],
    known: Subject | None,
) -> _Seen:
    subject: dict[str, Any] = {
        "model_id": model.id,
        "subject_id": subject_id,
        "artifact_sha256": known.artifact_sha256 if known else None,
        "golden_sha256": known.golden_sha256 if known else None,
        "segments": dict(known.segments) if known else {},
        "details": dict(known.details) if known else {},
    }
    merged = _Seen(
        _facts(known) if known else None, subject, None, None, champion_changed=False, happened_at=picking.now
    )
    for event in sorted(rows, key=lambda row: row["happened_at"]):
        _remember(merged, event)
        policy = picking.policy_for(event)
        if policy is not None:
            _draw(merged, picking, policy, subject_id, event)
    return merged


def _remember(merged: _Seen, event: dict[str, Any]) -> None:
    """Put one answer into what is known about its subject; the newest answer of each version counts."""
    subject, details = merged.subject, merged.subject["details"]
    pictures = event.get("artifacts") or []
    subject["artifact_sha256"] = pictures[0] if pictures else subject["artifact_sha256"]
    subject["golden_sha256"] = pictures[1] if len(pictures) > 1 else subject["golden_sha256"]
    subject["segments"] |= event["segments"]
    if event["inputs"]:
        details["inputs"] = {name: _plain(value) for name, value in event["inputs"].items()}
    if boxes := boxes_beside(event.get("extra")):
        details["boxes"] = boxes
    elif event["inputs"]:
        details.pop("boxes", None)
    at = event["happened_at"].astimezone(UTC).isoformat()
    answer = {
        "prediction": None if event["is_null_output"] else event["prediction"],
        "score": event["score"],
        "event_id": event["event_id"],
        "role": event["role"],
        "at": at,
    }
    answers = dict(details.get("answers") or {})
    if answers.get(event["version"], {}).get("at", "") <= at:
        answers.pop(event["version"], None)
        answers[event["version"]] = answer
    details["answers"] = dict(list(answers.items())[-MAX_VERSIONS:])
    champion = details.get("champion") or {}
    if event["role"] != "shadow" and event["status"] == "ok" and champion.get("at", "") <= at:
        merged.champion_changed |= champion.get("prediction") != answer["prediction"] or not champion
        details["champion"] = {"version": event["version"], **answer}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _draw(merged: _Seen, picking: Picking, policy: ReviewPolicy, subject_id: str, event: Mapping[str, Any]) -> None:
    """The draw with the largest chance among a subject's answers is in force. Its pi is the chance that any of them
    picked the subject: draws under one seed are nested, so of each seed the largest chance is remembered."""
    drawn = picking.draw(policy, subject_id, event)
    chances = dict(merged.subject["details"].get("chances") or {})
    seed = str(policy.seed)
    chances[seed] = max(drawn.pi, chances.get(seed, 0.0))
    merged.subject["details"]["chances"] = chances
    pi, before = join_chances(chances), merged.draw
    if before is None or not before.is_picked:
        merged.happened_at = event["happened_at"]
    if before is None or (drawn.is_picked, drawn.pi) > (before.is_picked, merged.rate):
        merged.draw, merged.policy, merged.rate = replace(drawn, pi=pi), policy, drawn.pi
    else:
        merged.draw = replace(before, pi=pi)


def _measure(session: Session, seen: Iterable[_Seen]) -> None:
    """Sizes of pictures, so that the bench can lay them out before they are there."""
    wanted = [one for one in seen if one.subject["artifact_sha256"] and "width" not in one.subject["details"]]
    found: dict[str, Artifact] = artifacts.find_artifacts(session, {one.subject["artifact_sha256"] for one in wanted})
    for one in wanted:
        artifact = found.get(one.subject["artifact_sha256"])
        if artifact is not None and artifact.width is not None:
            one.subject["details"] |= {"width": artifact.width, "height": artifact.height}


def _open(session: Session, model: Model, picking: Picking, seen: Mapping[str, _Seen]) -> list[str]:
    """Queue what was picked; whose tasks are new. Subjects that were never seen are not looked up first."""
    picked = {one: what for one, what in seen.items() if _is_asked(model, what)}
    rows = {one: _task(model, one, what) for one, what in picked.items() if what.known is None}
    opened = review_tasks.open_tasks(session, list(rows.values()))
    rest = {one: what for one, what in picked.items() if one not in rows or len(opened) < len(rows)}
    rest |= {one: what for one, what in seen.items() if one not in picked and _was_drawn_before(what)}
    return opened + (_open_or_change(session, model, picking, rest) if rest else [])


def _is_asked(model: Model, what: _Seen) -> bool:
    """Picked, and there is something to look at or to listen to; where the file comes later, so does the task."""
    is_seen = model.item_kind not in FILE_KINDS or what.subject["artifact_sha256"] is not None
    return is_seen and what.draw is not None and what.draw.is_picked


def _was_drawn_before(what: _Seen) -> bool:
    """Under another seed: then this draw adds to the chance of a task that exists, even when it picks nothing."""
    return what.draw is not None and len(what.subject["details"].get("chances") or {}) > 1


def _open_or_change(session: Session, model: Model, picking: Picking, picked: Mapping[str, _Seen]) -> list[str]:
    """A task that exists, also of an earlier policy, takes over a larger inclusion probability and the newest answers:
    nobody is asked twice because a policy changed."""
    existing = review_tasks.drawn_tasks(session, model.id, picked.keys(), picking.ids)
    rows = []
    for subject_id, what in picked.items():
        assert what.draw is not None
        task = existing.get(subject_id)
        if task is None:
            rows += [_task(model, subject_id, what)] if _is_asked(model, what) else []
            continue
        if what.draw.pi > (task.pi or 0.0):
            task.pi = what.draw.pi
            if what.draw.is_picked:
                task.stratum, task.reason = what.draw.stratum, what.draw.reason
            decisions.raise_pi(session, task.id, what.draw.pi)
        if task.state == "open":
            task.answers = subjects.machine_answers(what.subject["details"])
    session.flush()
    return review_tasks.open_tasks(session, rows)


def _task(model: Model, subject_id: str, what: _Seen) -> dict[str, Any]:
    details, drawn, policy = what.subject["details"], what.draw, what.policy
    assert drawn is not None
    assert policy is not None
    return {
        "model_id": model.id,
        "subject_id": subject_id,
        "event_id": (details.get("champion") or {}).get("event_id"),
        "reason": drawn.reason,
        "stratum": drawn.stratum,
        "mode": policy.mode,
        "priority": priority_of(drawn.reason, subject_id, policy.seed),
        "pi": drawn.pi,
        "policy_id": policy.id,
        "seed": policy.seed,
        "n_wanted": drawn.n_wanted,
        "item": build_item(what.subject["artifact_sha256"], what.subject["golden_sha256"], details),
        "answers": subjects.machine_answers(details),
        "segments": what.subject["segments"],
        "happened_at": what.happened_at,
    }
