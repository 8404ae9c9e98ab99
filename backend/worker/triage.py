"""Looks through newly logged events: remembers their subjects and queues the items that people should see.

Called by the worker before sealing. Everything here may run twice: picks depend on the policy's seed and the subject
alone, and a task exists once per subject and policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.engine import Database
from db.eventlog.log import EventLog
from db.models.model import Artifact, Model
from db.models.review import Decision, Subject, TriageCursor
from db.repositories import artifacts, decisions, review_tasks, subjects
from db.repositories.resolution import build_item, resolve_subjects
from review.rules.queue import priority_of
from review.rules.sampling import Answer, Draw, ReviewPolicy, draw, unit

#: Subjects per transaction: on SQLite nobody else writes meanwhile, and 500 kept the logging door waiting for 85 ms.
CHUNK = 50
#: Events looked through together, and batches at most: many small commits are cheaper to look through as one.
GROUP_EVENTS, GROUP_BATCHES = 10_000, 1_000
#: Versions remembered per subject.
MAX_VERSIONS = 12
_PLAIN = (
    "event_id", "request_id", "subject_id", "version", "role", "happened_at", "prediction", "is_null_output", "score",
    "status", "champion_prediction", "artifacts",
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
    """A subject's events within one chunk, merged into what was known of it before."""

    known: _Facts | None
    subject: dict[str, Any]
    draw: Draw | None
    champion_changed: bool
    happened_at: datetime


def triage(
    database: Database,
    eventlog: EventLog,
    model: Model,
    now: datetime,
    rng_seed: int | None = None,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> TriageResult:
    """Work through the batches after the cursor, all of them or until `is_over`, which is asked between groups.

    `rng_seed` stands in for the seed of the declared policy.
    """
    policy = ReviewPolicy.declared(model.settings)
    if rng_seed is not None and "seed" not in (model.settings.get("review_policy") or {}):
        policy = replace(policy, seed=rng_seed)
    total = TriageResult(batch_id=_cursor(database, model.id))
    while batches := eventlog.iter_batches(model.id, total.batch_id, GROUP_BATCHES, max_events=GROUP_EVENTS):
        total = _one_group(database, model, policy, batches, now, total)
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
    policy: ReviewPolicy,
    batches: list[tuple[int, pa.Table]],
    now: datetime,
    total: TriageResult,
) -> TriageResult:
    """Neighbouring batches: their subjects chunk by chunk, then the cursor."""
    table, last_id = pa.concat_tables([batch for _, batch in batches]), batches[-1][0]
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for event in _events(_matters(table, policy), model):
        by_subject.setdefault(event["subject_id"], []).append(event)
    items = sorted(by_subject.items())
    for chunk in (dict(items[first : first + CHUNK]) for first in range(0, len(items), CHUNK)):
        with database.read() as reading:
            ahead = _look(reading, model, policy, chunk, now)
        with database.write() as session:
            n_opened, n_settled = _chunk(session, model, policy, chunk, ahead, now)
        total = replace(
            total,
            n_subjects=total.n_subjects + len(chunk),
            n_opened=total.n_opened + n_opened,
            n_settled=total.n_settled + n_settled,
        )
    with database.write() as session:
        _advance(session, model.id, last_id, now)
    return replace(total, n_events=total.n_events + table.num_rows, batch_id=last_id)


def _advance(session: Session, model_id: str, batch_id: int, now: datetime) -> None:
    row = session.scalars(select(TriageCursor).where(TriageCursor.model_id == model_id).with_for_update()).one_or_none()
    if row is None:
        session.add(TriageCursor(model_id=model_id, batch_id=batch_id, updated_at=now))
    elif row.batch_id < batch_id:
        row.batch_id, row.updated_at = batch_id, now


def _matters(table: pa.Table, policy: ReviewPolicy) -> pa.Table:
    """Leave out answers without a subject that no rate above epsilon and no lot could pick: most of a busy log."""
    if table["subject_id"].null_count == 0:
        return table
    names = ("subject_id", "request_id", "event_id", "is_null_output", "score", "role")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    keep = [
        subject is not None
        or is_null is not False
        or role == "shadow"
        or (score is not None and score < policy.low_score)
        or unit(policy.seed, request or event) < policy.epsilon
        for subject, request, event, is_null, score, role in rows
    ]
    return table.filter(pa.array(keep, type=pa.bool_()))


def _events(table: pa.Table, model: Model) -> Iterator[dict[str, Any]]:
    """Rows as dicts: what triage looks at, the inputs and the segments. Nameless subjects go by their request."""
    names = table.column_names
    fields = {name: name.removeprefix("in_") for name in names if name.startswith("in_")}
    segments = {f"seg_{key}": key for key in model.segment_keys if f"seg_{key}" in names}
    wanted = [name for name in _PLAIN if name in names]
    for row in table.select([*wanted, *fields, *segments]).to_pylist():
        event = {name: row[name] for name in wanted}
        event["subject_id"] = row["subject_id"] or row["request_id"] or row["event_id"]
        event["inputs"] = {plain: row[name] for name, plain in fields.items() if row[name] is not None}
        event["segments"] = {key: row[name] for name, key in segments.items() if row[name] is not None}
        yield event


def _look(
    session: Session,
    model: Model,
    policy: ReviewPolicy,
    events: Mapping[str, list[dict[str, Any]]],
    now: datetime,
) -> dict[str, _Seen]:
    """Some subjects with their events merged. Done before the write lock is taken: it is most of the work."""
    known = subjects.find_subjects(session, model.id, events.keys())
    seen = {one: _merge(model, policy, one, rows, known.get(one), now) for one, rows in events.items()}
    _measure(session, seen.values())
    return seen


def _chunk(
    session: Session,
    model: Model,
    policy: ReviewPolicy,
    events: Mapping[str, list[dict[str, Any]]],
    seen: dict[str, _Seen],
    now: datetime,
) -> tuple[int, int]:
    """Subjects, tasks and disputes of some subjects, in one transaction. What changed since the look is merged anew."""
    subjects.lock_subjects(session, model.id, events)
    stored = {one: _facts(row) for one, row in subjects.find_subjects(session, model.id, events.keys()).items()}
    changed = {one: rows for one, rows in events.items() if stored.get(one) != seen[one].known}
    if changed:
        seen = seen | _look(session, model, policy, changed, now)
    subjects.upsert_subjects(session, [one.subject for one in seen.values()])
    n_opened = _open(session, model, policy, seen)
    settled = _settle(session, model, [one for one, what in seen.items() if what.champion_changed], now)
    return n_opened, sum(kind in ("consensus", "adjudicate") for kind in settled.values())


def _settle(session: Session, model: Model, changed: list[str], now: datetime) -> Mapping[str, str]:
    """Decisions about subjects whose answer changed are compared with it again."""
    if not changed:
        return {}
    query = select(Decision.subject_id).where(Decision.model_id == model.id, Decision.subject_id.in_(changed))
    decided = set(session.scalars(query.distinct()))
    return resolve_subjects(session, model.id, decided, now) if decided else {}


def _facts(known: Subject) -> _Facts:
    return known.artifact_sha256, known.golden_sha256, known.segments, known.details


def _merge(
    model: Model,
    policy: ReviewPolicy,
    subject_id: str,
    rows: Iterable[dict[str, Any]],
    known: Subject | None,
    now: datetime,
) -> _Seen:
    subject: dict[str, Any] = {
        "model_id": model.id,
        "subject_id": subject_id,
        "artifact_sha256": known.artifact_sha256 if known else None,
        "golden_sha256": known.golden_sha256 if known else None,
        "segments": dict(known.segments) if known else {},
        "details": dict(known.details) if known else {},
    }
    merged = _Seen(_facts(known) if known else None, subject, None, champion_changed=False, happened_at=now)
    oldest = now - timedelta(days=policy.max_age_days)
    for event in sorted(rows, key=lambda row: row["happened_at"]):
        _remember(merged, event)
        if policy.is_enabled and event["status"] == "ok" and event["happened_at"] >= oldest:
            _draw(merged, policy, subject_id, event)
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


def _draw(merged: _Seen, policy: ReviewPolicy, subject_id: str, event: dict[str, Any]) -> None:
    """The draw with the largest inclusion probability among a subject's answers is in force."""
    against = event["champion_prediction"]
    answer = Answer(
        is_null=bool(event["is_null_output"]) and event["role"] != "shadow",
        disagrees=event["role"] == "shadow" and against is not None and against != event["prediction"],
        score=event["score"] if event["role"] != "shadow" else None,
    )
    drawn = draw(policy, subject_id, answer)
    if merged.draw is None or drawn.pi > merged.draw.pi:
        merged.draw, merged.happened_at = drawn, event["happened_at"]


def _measure(session: Session, seen: Iterable[_Seen]) -> None:
    """Sizes of pictures, so that the bench can lay them out before they are there."""
    wanted = [one for one in seen if one.subject["artifact_sha256"] and "width" not in one.subject["details"]]
    found: dict[str, Artifact] = artifacts.find_artifacts(session, {one.subject["artifact_sha256"] for one in wanted})
    for one in wanted:
        artifact = found.get(one.subject["artifact_sha256"])
        if artifact is not None and artifact.width is not None:
            one.subject["details"] |= {"width": artifact.width, "height": artifact.height}


def _open(session: Session, model: Model, policy: ReviewPolicy, seen: Mapping[str, _Seen]) -> int:
    """Queue what was picked; how many tasks are new. Subjects that were never seen are not looked up first."""
    picked = {one: what for one, what in seen.items() if what.draw is not None and what.draw.is_picked}
    rows = {one: _task(model, policy, one, what) for one, what in picked.items() if what.known is None}
    n_opened = len(review_tasks.add_tasks(session, list(rows.values())))
    rest = {one: what for one, what in picked.items() if one not in rows or n_opened < len(rows)}
    return n_opened + (_open_or_change(session, model, policy, rest) if rest else 0)


def _open_or_change(session: Session, model: Model, policy: ReviewPolicy, picked: Mapping[str, _Seen]) -> int:
    """A task that exists takes over a larger inclusion probability and the newest answers."""
    existing = review_tasks.find_tasks(session, model.id, picked.keys(), mode=policy.mode, policy_id=policy.id)
    rows = []
    for subject_id, what in picked.items():
        assert what.draw is not None
        task = existing.get(subject_id)
        if task is None:
            rows.append(_task(model, policy, subject_id, what))
            continue
        if what.draw.pi > (task.pi or 0.0):
            task.pi, task.stratum, task.reason = what.draw.pi, what.draw.stratum, what.draw.reason
            decisions.raise_pi(session, task.id, what.draw.pi)
        if task.state == "open":
            task.answers = subjects.machine_answers(what.subject["details"])
    session.flush()
    return len(review_tasks.add_tasks(session, rows))


def _task(model: Model, policy: ReviewPolicy, subject_id: str, what: _Seen) -> dict[str, Any]:
    details, drawn = what.subject["details"], what.draw
    assert drawn is not None
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
