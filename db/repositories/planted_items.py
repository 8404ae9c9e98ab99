"""Items whose label is known, planted to measure people, and how people did on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select, text
from sqlalchemy.orm import Session, aliased

from db.models.review import Decision, ReviewTask
from db.models.review_policy import PlantedItem

#: Hidden repeats are chosen among this many of the latest answers, none older than this.
_CANDIDATES, _OLDEST = 200, timedelta(days=30)
#: Known items chosen among: those that were shown least.
_LEAST_USED = 20
#: Literals, not parameters, because the planner must see that the partial index applies.
_PLANTED = text("review_tasks.reason IN ('gold', 'repeat', 'injected')")
#: A planted task that nobody took is withdrawn after this long: the people it could measure are away.
MAX_WAIT = timedelta(days=7)


class Checks(NamedTuple):
    """How often a person was measured by planted items, and how often they agreed."""

    n: int
    n_agreed: int


def add_items(session: Session, rows: Sequence[PlantedItem]) -> None:
    session.add_all(rows)
    session.flush()


def find_items(session: Session, model_id: str, subject_ids: Collection[str]) -> dict[str, PlantedItem]:
    """The known items among these subjects."""
    query = select(PlantedItem).where(PlantedItem.model_id == model_id, PlantedItem.subject_id.in_(list(subject_ids)))
    return {row.subject_id: row for row in session.scalars(query)}


def list_items(
    session: Session, model_id: str, *, kind: str | None = None, after_id: str | None = None, limit: int = 100
) -> list[PlantedItem]:
    """Known items in the order in which they were added."""
    query = select(PlantedItem).where(PlantedItem.model_id == model_id).order_by(PlantedItem.id).limit(limit)
    if kind is not None:
        query = query.where(PlantedItem.kind == kind)
    if after_id is not None:
        query = query.where(PlantedItem.id > after_id)
    return list(session.scalars(query))


def count_active(session: Session, model_id: str) -> dict[str, int]:
    """Known items that may be shown, by kind."""
    query = select(PlantedItem.kind, func.count()).where(
        PlantedItem.model_id == model_id, PlantedItem.is_active.is_(True)
    )
    return {kind: int(n) for kind, n in session.execute(query.group_by(PlantedItem.kind))}


def least_used(session: Session, model_id: str, kind: str, *, u: float, taken: Collection[str] = ()) -> str | None:
    """A known item that waits for nobody at the moment, among those that were shown least; `u` in [0, 1) chooses."""
    used = (
        select(
            ReviewTask.subject_id,
            func.count().label("n"),
            func.sum(case((ReviewTask.state == "open", 1), else_=0)).label("n_waiting"),
        )
        .where(ReviewTask.model_id == model_id, ReviewTask.reason == kind, _PLANTED)
        .group_by(ReviewTask.subject_id)
    )
    shown = used.subquery()
    query = (
        select(PlantedItem.subject_id)
        .outerjoin(shown, shown.c.subject_id == PlantedItem.subject_id)
        .where(PlantedItem.model_id == model_id, PlantedItem.kind == kind, PlantedItem.is_active.is_(True))
        .where(func.coalesce(shown.c.n_waiting, 0) == 0)
        .order_by(func.coalesce(shown.c.n, 0), PlantedItem.id)
        .limit(_LEAST_USED + len(taken))
    )
    found = [one for one in session.scalars(query) if one not in taken][:_LEAST_USED]
    return found[int(u * len(found))] if found else None


def repeatable(
    session: Session, model_id: str, *, before: datetime, u: float, taken: Collection[str] = ()
) -> tuple[str, str] | None:
    """(subject, judge) of an answer given before a moment that its author was not asked for again."""
    repeat = aliased(ReviewTask, name="again")
    asked_again = (
        select(repeat.id)
        .where(
            repeat.model_id == Decision.model_id,
            repeat.subject_id == Decision.subject_id,
            repeat.reason == "repeat",
            repeat.assigned_to == Decision.judge,
            text("again.reason IN ('gold', 'repeat', 'injected')"),
        )
        .exists()
    )
    query = (
        select(Decision.subject_id, Decision.judge)
        .where(
            Decision.model_id == model_id,
            Decision.decided_at < before,
            Decision.decided_at >= before - _OLDEST,
            Decision.verb == "label",
            Decision.task_id.is_not(None),
            Decision.is_adjudication.is_(False),
            Decision.is_planted.is_(False),
            Decision.superseded_by.is_(None),
            ~asked_again,
        )
        .order_by(Decision.decided_at.desc(), Decision.id.desc())
        .limit(_CANDIDATES)
    )
    found = [(row.subject_id, row.judge) for row in session.execute(query) if row.subject_id not in taken]
    return found[int(u * len(found))] if found else None


def withdraw_stale(session: Session, now: datetime) -> int:
    """Planted tasks that waited too long leave the queue; how many."""
    query = select(ReviewTask).where(
        ReviewTask.state == "open",
        ReviewTask.mode != "adjudicate",
        _PLANTED,
        ReviewTask.created_at < now - MAX_WAIT,
        ReviewTask.lease_until.is_(None) | (ReviewTask.lease_until < now),
    )
    rows = list(session.scalars(query.limit(1_000)))
    for row in rows:
        row.state, row.closed_at = "skipped", now
    session.flush()
    return len(rows)


def checks_by_judge(session: Session, model_id: str, start: datetime, end: datetime) -> dict[str, Checks]:
    """How each person did on planted items answered in [start, end): on gold and injected ones beside the known label,
    on repeats beside their own label in force. An answer that was taken back does not count; unsure is no agreement."""
    known = (
        select(Decision.judge, Decision.label, PlantedItem.label.label("right"))
        .join(ReviewTask, ReviewTask.id == Decision.task_id)
        .join(
            PlantedItem,
            (PlantedItem.model_id == Decision.model_id) & (PlantedItem.subject_id == Decision.subject_id),
        )
        .where(*_in_window(model_id, start, end), ReviewTask.reason.in_(("gold", "injected")))
    )
    first = aliased(Decision)
    own = (
        select(Decision.judge, Decision.label, first.label.label("right"))
        .join(ReviewTask, ReviewTask.id == Decision.task_id)
        .join(
            first,
            (first.model_id == Decision.model_id)
            & (first.subject_id == Decision.subject_id)
            & (first.judge == Decision.judge),
        )
        .where(
            *_in_window(model_id, start, end),
            ReviewTask.reason == "repeat",
            first.is_planted.is_(False),
            first.is_adjudication.is_(False),
            first.verb == "label",
            first.superseded_by.is_(None),
        )
    )
    found: dict[str, Checks] = {}
    for query in (known, own):
        for judge, label, right in session.execute(query):
            before = found.get(judge, Checks(0, 0))
            found[judge] = Checks(before.n + 1, before.n_agreed + int(label == right))
    return found


def _in_window(model_id: str, start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Decision.model_id == model_id,
        Decision.is_planted.is_(True),
        Decision.verb != "skip",
        Decision.superseded_by.is_(None),
        Decision.decided_at >= start,
        Decision.decided_at < end,
    )
