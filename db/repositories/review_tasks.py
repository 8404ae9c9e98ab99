"""The review queue in SQL. A claim is one statement over a partial index; nothing here counts or sorts the queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, bindparam, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.review import Decision, ReviewTask
from review.rules.queue import NOT_EVIDENCE

INSPECT_MODES = ("blind", "assist", "reveal")

#: Literals, not parameters, because the planner must see that the partial indexes apply. A person never gets a
#: subject that they answered already; a hidden repeat only bars the same task.
_PICK = """
    SELECT t.id FROM review_tasks t
    WHERE t.state = 'open' AND t.mode {kind} 'adjudicate' AND t.mode IN :modes AND t.model_id = :model_id{these}
      AND (t.lease_until IS NULL OR t.lease_until < :now)
      AND (t.assigned_to IS NULL OR t.assigned_to = :judge)
      AND NOT EXISTS (
        SELECT 1 FROM decisions d
        WHERE d.model_id = t.model_id AND d.subject_id = t.subject_id AND d.judge = :judge
          AND d.superseded_by IS NULL AND (t.reason <> 'repeat' OR d.task_id = t.id))
    ORDER BY t.priority, t.id LIMIT :n
"""
_SET = "UPDATE review_tasks SET lease_token = :token, leased_to = :person, lease_until = :until"
_SQLITE_CLAIM = f"{_SET} WHERE id IN ({_PICK}) RETURNING id"
_POSTGRES_CLAIM = (
    f"WITH picked AS MATERIALIZED ({_PICK} FOR UPDATE OF t SKIP LOCKED) "
    f"{_SET} FROM picked WHERE review_tasks.id = picked.id RETURNING review_tasks.id"
)


def claim_tasks(
    session: Session,
    model_id: str,
    *,
    person: str,
    judge: str,
    modes: Collection[str],
    n: int,
    token: str,
    now: datetime,
    until: datetime,
    task_ids: Collection[str] = (),
) -> list[ReviewTask]:
    """Lease up to `n` open tasks to a person, in the order of the queue; only among `task_ids` when given."""
    template = _SQLITE_CLAIM if session.get_bind().dialect.name == "sqlite" else _POSTGRES_CLAIM
    claimed: list[str] = []
    for kind, wanted in (("=", _only(modes, True)), ("<>", _only(modes, False))):
        if not wanted or len(claimed) >= n:
            continue
        these = " AND t.id IN :task_ids" if task_ids else ""
        ids: list[BindParameter[Any]] = [bindparam("task_ids", list(task_ids), expanding=True)] if task_ids else []
        statement = text(template.format(kind=kind, these=these)).bindparams(
            *ids,
            bindparam("modes", expanding=True),
            bindparam("now", type_=ReviewTask.lease_until.type),
            bindparam("until", type_=ReviewTask.lease_until.type),
        )
        values = {
            "modes": wanted,
            "model_id": model_id,
            "now": now,
            "until": until,
            "judge": judge,
            "n": n - len(claimed),
            "token": token,
            "person": person,
        }
        claimed += session.scalars(statement, values).all()
    if not claimed:
        return []
    query = select(ReviewTask).where(ReviewTask.id.in_(claimed)).order_by(ReviewTask.priority, ReviewTask.id)
    return list(session.scalars(query))


def _only(modes: Collection[str], adjudicate: bool) -> list[str]:
    return [mode for mode in modes if (mode == "adjudicate") is adjudicate]


#: How many waiting items are looked through for identical rows: some milliseconds.
MAX_WAITING = 500


def waiting_for(session: Session, model_id: str, *, person: str, judge: str, now: datetime) -> list[ReviewTask]:
    """The next blind items of the queue that a person could get, or holds, in its order; at most MAX_WAITING."""
    answered = select(Decision.id).where(
        Decision.model_id == ReviewTask.model_id,
        Decision.subject_id == ReviewTask.subject_id,
        Decision.judge == judge,
        Decision.superseded_by.is_(None),
    )
    query = select(ReviewTask).where(
        text("state = 'open' AND mode <> 'adjudicate'"),  # literals: see _PICK
        ReviewTask.mode == "blind",
        ReviewTask.model_id == model_id,
        or_(ReviewTask.lease_until.is_(None), ReviewTask.lease_until < now, ReviewTask.leased_to == person),
        ~answered.exists(),
    )
    return list(session.scalars(query.order_by(ReviewTask.priority, ReviewTask.id).limit(MAX_WAITING)))


def get_task(session: Session, task_id: str) -> ReviewTask | None:
    return session.get(ReviewTask, task_id)


def lock_task(session: Session, task_id: str) -> ReviewTask | None:
    """The task as it is now, held until commit."""
    query = select(ReviewTask).where(ReviewTask.id == task_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def extend_lease(session: Session, task_id: str, *, person: str, token: str, until: datetime) -> bool:
    """Keep a lease alive; false when it is lost."""
    statement = (
        update(ReviewTask)
        .where(
            ReviewTask.id == task_id,
            ReviewTask.lease_token == token,
            ReviewTask.leased_to == person,
            ReviewTask.state == "open",
        )
        .values(lease_until=until)
        .returning(ReviewTask.id)
    )
    return session.execute(statement).first() is not None


def release_leases(session: Session, leases: Sequence[tuple[str, str]], *, person: str) -> list[str]:
    """Give leased tasks back to the queue at once; which ones were really given back."""
    released: list[str] = []
    for task_id, token in sorted(leases):
        statement = (
            update(ReviewTask)
            .where(
                ReviewTask.id == task_id,
                ReviewTask.lease_token == token,
                ReviewTask.leased_to == person,
                ReviewTask.state == "open",
            )
            .values(lease_token=None, leased_to=None, lease_until=None)
            .returning(ReviewTask.id)
        )
        released += session.scalars(statement).all()
    return released


def add_tasks(session: Session, rows: list[dict[str, Any]]) -> list[str]:
    """Insert tasks; those whose item is queued already under the same mode and policy are left as they are. New ids."""
    if not rows:
        return []
    return [row.id for row in session.execute(_add(session.get_bind().dialect.name), rows)]


def open_tasks(session: Session, rows: list[dict[str, Any]]) -> list[str]:
    """As `add_tasks`; the subjects whose tasks are new."""
    if not rows:
        return []
    return [row.subject_id for row in session.execute(_add(session.get_bind().dialect.name), rows)]


@cache
def _add(dialect: str) -> Any:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    table = ReviewTask.metadata.tables[ReviewTask.__tablename__]  # not the class: twice as fast in bulk
    statement = insert(table).on_conflict_do_nothing(index_elements=["model_id", "subject_id", "mode", "policy_id"])
    return statement.returning(table.c.id, table.c.subject_id)


_OF_SUBJECTS = select(ReviewTask).where(
    ReviewTask.model_id == bindparam("model_id"), ReviewTask.subject_id.in_(bindparam("wanted", expanding=True))
)
_UNDER_ONE = _OF_SUBJECTS.where(ReviewTask.mode == bindparam("mode"), ReviewTask.policy_id == bindparam("policy_id"))
_UNDER_ANY = _OF_SUBJECTS.where(
    ReviewTask.mode != "adjudicate",
    ReviewTask.reason.not_in(NOT_EVIDENCE),
    ReviewTask.policy_id.in_(bindparam("policy_ids", expanding=True)),
).order_by(ReviewTask.id.desc())


def find_tasks(
    session: Session, model_id: str, subject_ids: Collection[str], *, mode: str, policy_id: str
) -> dict[str, ReviewTask]:
    """The tasks of these subjects under one mode and policy."""
    if not subject_ids:
        return {}
    values = {"model_id": model_id, "wanted": list(subject_ids), "mode": mode, "policy_id": policy_id}
    return {row.subject_id: row for row in session.scalars(_UNDER_ONE, values)}


def drawn_tasks(
    session: Session, model_id: str, subject_ids: Collection[str], policy_ids: Collection[str]
) -> dict[str, ReviewTask]:
    """The tasks of these subjects that were drawn under any of these policies; of several the oldest."""
    if not subject_ids:
        return {}
    values = {"model_id": model_id, "wanted": list(subject_ids), "policy_ids": list(policy_ids)}
    return {row.subject_id: row for row in session.scalars(_UNDER_ANY, values)}


def list_tasks(
    session: Session,
    model_id: str,
    *,
    state: str | None = None,
    modes: Collection[str] = (),
    reason: str | None = None,
    subject_id: str | None = None,
    after_id: str | None = None,
    limit: int = 100,
) -> list[ReviewTask]:
    """Tasks ordered by id (the order in which they were opened)."""
    query = select(ReviewTask).where(ReviewTask.model_id == model_id).order_by(ReviewTask.id).limit(limit)
    if state is not None:
        query = query.where(ReviewTask.state == state)
    if modes:
        query = query.where(ReviewTask.mode.in_(list(modes)))
    if reason is not None:
        query = query.where(ReviewTask.reason == reason)
    if subject_id is not None:
        query = query.where(ReviewTask.subject_id == subject_id)
    if after_id is not None:
        query = query.where(ReviewTask.id > after_id)
    return list(session.scalars(query))


def count_open(session: Session, model_id: str) -> dict[str, int]:
    """Open tasks to inspect and to adjudicate. Walks the partial indexes: never called while a key waits."""
    counts = {}
    for name, kind in (("inspect", "<>"), ("adjudicate", "=")):
        query = text(
            "SELECT count(*) FROM review_tasks "
            f"WHERE state = 'open' AND mode {kind} 'adjudicate' AND model_id = :model_id"
        )
        counts[name] = int(session.execute(query, {"model_id": model_id}).scalar_one())
    return counts


def count_leased(session: Session, model_id: str, person: str, now: datetime) -> int:
    """How many tasks a person holds."""
    query = select(func.count()).where(
        ReviewTask.leased_to == person,
        ReviewTask.model_id == model_id,
        ReviewTask.state == "open",
        ReviewTask.lease_until > now,
    )
    return session.scalars(query).one()


def raise_open(session: Session, model_id: str, ranks: Mapping[str, int]) -> set[str]:
    """Let open tasks of these subjects come sooner, at the place of their rank; whose there were."""
    if not ranks:
        return set()
    query = select(ReviewTask).where(
        ReviewTask.model_id == model_id,
        ReviewTask.subject_id.in_(list(ranks)),
        ReviewTask.state == "open",
        ReviewTask.mode != "adjudicate",
    )
    raised = set()
    for task in session.scalars(query):
        task.priority = min(task.priority, ranks[task.subject_id])
        raised.add(task.subject_id)
    session.flush()
    return raised
