"""Declared review policies by time, and the hours of their budgets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.model import Model
from db.models.review_policy import ReviewPolicyVersion, ReviewRate
from review.rules.budgets import HOUR, MEMORY, BudgetBook, Hour
from review.rules.sampling import ReviewPolicy


@dataclass(frozen=True, slots=True)
class Timeline:
    """The policies of a model in the order in which they came into force; the first holds for what was before it."""

    policies: Sequence[ReviewPolicy]
    starts: Sequence[datetime] = ()

    def at(self, moment: datetime) -> ReviewPolicy:
        """The policy in force at a moment."""
        return self.policies[bisect_right(self.starts, moment)] if self.starts else self.policies[0]

    @property
    def current(self) -> ReviewPolicy:
        return self.policies[-1]


_VERSIONS: Select[Any] = (
    select(ReviewPolicyVersion.fields, ReviewPolicyVersion.created_at)
    .where(ReviewPolicyVersion.model_id == bindparam("model_id"))
    .order_by(ReviewPolicyVersion.number)
)


def timeline(session: Session, model: Model) -> Timeline:
    """All policies of a model by time; one that never declared any has the default, or what its settings say."""
    rows = session.execute(_VERSIONS, {"model_id": model.id}).all()
    if not rows:
        return Timeline([ReviewPolicy.declared(model.settings)])
    return Timeline([ReviewPolicy.from_fields(row.fields) for row in rows], [row.created_at for row in rows[1:]])


def current_policy(session: Session, model: Model) -> ReviewPolicy:
    """The policy in force now."""
    row = newest(session, model.id)
    return ReviewPolicy.from_fields(row.fields) if row is not None else ReviewPolicy.declared(model.settings)


def newest(session: Session, model_id: str) -> ReviewPolicyVersion | None:
    """The newest declared policy of a model."""
    return next(iter(list_policies(session, model_id, limit=1)), None)


def list_policies(session: Session, model_id: str, *, limit: int = 100) -> list[ReviewPolicyVersion]:
    """Declared policies, newest first."""
    query = select(ReviewPolicyVersion).where(ReviewPolicyVersion.model_id == model_id)
    return list(session.scalars(query.order_by(ReviewPolicyVersion.number.desc()).limit(limit)))


def watched_models(session: Session) -> list[Model]:
    """Models whose newest declared policy sets a limit to people's agreement."""
    newest_number = (
        select(ReviewPolicyVersion.model_id, func.max(ReviewPolicyVersion.number).label("number"))
        .group_by(ReviewPolicyVersion.model_id)
        .subquery()
    )
    query = select(Model, ReviewPolicyVersion.fields).join(
        ReviewPolicyVersion, ReviewPolicyVersion.model_id == Model.id
    )
    query = query.join(
        newest_number,
        (newest_number.c.model_id == ReviewPolicyVersion.model_id)
        & (newest_number.c.number == ReviewPolicyVersion.number),
    )
    return [row[0] for row in session.execute(query.order_by(Model.name)) if row[1].get("min_agreement") is not None]


def add_policy(
    session: Session, model_id: str, policy: ReviewPolicy, *, reason: str, created_by: str, created_at: datetime
) -> ReviewPolicyVersion:
    """Put a policy in force. The caller holds the model's row."""
    number = session.scalar(
        select(func.max(ReviewPolicyVersion.number)).where(ReviewPolicyVersion.model_id == model_id)
    )
    row = ReviewPolicyVersion(
        model_id=model_id,
        number=(number or 0) + 1,
        policy_id=policy.id,
        fields=policy.as_fields(),
        reason=reason,
        created_by=created_by,
        created_at=created_at,
    )
    session.add(row)
    session.flush()
    return row


# --- budgets -----------------------------------------------------------------------------------------------------


def load_book(session: Session, model_id: str, policy: ReviewPolicy, first: datetime, last: datetime) -> BudgetBook:
    """The stored hours of a policy's budgets, from a day before `first` to `last`."""
    query = select(ReviewRate).where(
        ReviewRate.model_id == model_id,
        ReviewRate.policy_id == policy.id,
        ReviewRate.hour_at >= first - HOUR * MEMORY,
        ReviewRate.hour_at <= last,
    )
    rows = session.scalars(query.execution_options(populate_existing=True))
    return BudgetBook(policy.budgets, {(row.stratum, row.hour_at): Hour(row.rate, row.n_seen) for row in rows})


def set_rates(
    session: Session, model_id: str, policy: ReviewPolicy, seen: Mapping[tuple[str, datetime], int]
) -> dict[datetime, dict[str, float]]:
    """The rates of the hours in `seen` (items by stratum and hour, about to be counted); those that nobody set yet are
    set, once and for all workers, each from the hours before it."""
    wanted = sorted({at for _, at in seen})
    book = load_book(session, model_id, policy, wanted[0], wanted[-1])
    rows = []
    for at in wanted:
        for name in policy.budgets:
            if (name, at) not in book.hours:
                rows.append({"stratum": name, "hour_at": at, "rate": book.rate(name, at)})
            book.count(name, at, seen.get((name, at), 0))
    if rows:
        statement = _insert(session).on_conflict_do_nothing(index_elements=_KEY)
        session.execute(statement, [{"model_id": model_id, "policy_id": policy.id, "n_seen": 0, **row} for row in rows])
        book = load_book(session, model_id, policy, wanted[0], wanted[-1])
    return {at: book.rates(at) for at in wanted}


def count_seen(session: Session, model_id: str, seen: Mapping[tuple[str, str, datetime], int]) -> None:
    """Add items that came, by (policy id, stratum, hour); their hours' rates are set."""
    if not seen:
        return
    statement = _insert(session)
    statement = statement.on_conflict_do_update(
        index_elements=_KEY, set_={"n_seen": ReviewRate.n_seen + statement.excluded.n_seen}
    )
    rows = [
        {"model_id": model_id, "policy_id": policy_id, "stratum": name, "hour_at": at, "rate": 0.0, "n_seen": n}
        for (policy_id, name, at), n in sorted(seen.items())
    ]
    session.execute(statement, rows)


_KEY = ["model_id", "policy_id", "stratum", "hour_at"]


def _insert(session: Session) -> Any:
    return _insert_into(session.get_bind().dialect.name)


@cache
def _insert_into(dialect: str) -> Any:
    table = ReviewRate.metadata.tables[ReviewRate.__tablename__]
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
