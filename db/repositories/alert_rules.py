"""Alert rules, their states, silences, and the default rules of a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.alert import AlertDefaults, AlertRule, AlertSilence, AlertState, AlertWatch


def list_rules(
    session: Session,
    *,
    model_id: str | None = None,
    model_ids: Collection[str] | None = None,
    only_enabled: bool = False,
    limit: int = 1000,
) -> list[AlertRule]:
    """Rules by name. `model_id`: the model's own and those of every model; `model_ids`: of these models only."""
    query = select(AlertRule).order_by(AlertRule.name, AlertRule.id).limit(limit)
    if model_id is not None:
        query = query.where(or_(AlertRule.model_id == model_id, AlertRule.model_id.is_(None)))
    if model_ids is not None:
        query = query.where(AlertRule.model_id.in_(list(model_ids)))
    if only_enabled:
        query = query.where(AlertRule.is_enabled.is_(True))
    return list(session.scalars(query))


def get_rule(session: Session, rule_id: str) -> AlertRule | None:
    return session.get(AlertRule, rule_id)


def add_rule(session: Session, rule: AlertRule) -> AlertRule:
    session.add(rule)
    session.flush()
    return rule


def list_states(session: Session, rule_ids: Collection[str] | None = None) -> list[AlertState]:
    """Where the series stand; of some rules, or of all."""
    query = select(AlertState).order_by(AlertState.rule_id, AlertState.model_id, AlertState.series)
    if rule_ids is not None:
        query = query.where(AlertState.rule_id.in_(list(rule_ids)))
    return list(session.scalars(query))


def worst_states(session: Session) -> dict[str, str]:
    """The worst state of each rule's series."""
    found: dict[str, str] = {}
    order = {"ok": 0, "no_data": 1, "warning": 2, "alert": 3}
    query = select(AlertState.rule_id, AlertState.state).distinct()
    for rule_id, state in session.execute(query):
        if order[state] >= order[found.get(rule_id, "ok")]:
            found[rule_id] = state
    return found


def count_states(session: Session) -> dict[str, int]:
    """How many series stand in each state, of rules that are on."""
    query = (
        select(AlertState.state, func.count())
        .join(AlertRule, AlertRule.id == AlertState.rule_id)
        .where(AlertRule.is_enabled.is_(True))
        .group_by(AlertState.state)
    )
    return {state: int(n) for state, n in session.execute(query)}


def upsert_states(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert or overwrite whole states."""
    if not rows:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(AlertState.metadata.tables[AlertState.__tablename__])
    columns = ("state", "since", "value", "n", "reason", "memory", "evaluated_at")
    statement = statement.on_conflict_do_update(
        index_elements=["rule_id", "model_id", "series"],
        set_={name: getattr(statement.excluded, name) for name in columns},
    )
    session.execute(statement, list(rows))


def mark_evaluated(session: Session, points: Sequence[tuple[str, datetime]]) -> None:
    """Remember how far rules were looked at."""
    if points:
        rows = [{"id": rule_id, "evaluated_at": at} for rule_id, at in points]
        session.execute(update(AlertRule), rows)


def list_silences(session: Session, *, after: datetime | None = None, limit: int = 500) -> list[AlertSilence]:
    """Silences that end after a moment (all without), the one that ends last first."""
    query = select(AlertSilence).order_by(AlertSilence.ends_at.desc()).limit(limit)
    if after is not None:
        query = query.where(AlertSilence.ends_at > after)
    return list(session.scalars(query))


def get_silence(session: Session, silence_id: str) -> AlertSilence | None:
    return session.get(AlertSilence, silence_id)


def get_watch(session: Session) -> AlertWatch | None:
    """How the last evaluation went; None before the first."""
    return session.get(AlertWatch, 1)


def ensure_watch(session: Session) -> None:
    """The one row of the watch exists from here on."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(AlertWatch).values(id=1, run_no=0).on_conflict_do_nothing())


def next_run(session: Session, expected: int | None, **values: Any) -> bool:
    """Count a run. False when another worker's run, or a change of a rule, came between: nothing may be written.

    `expected` None counts whatever was there: a change of a rule, that makes a run under way void.
    """
    ensure_watch(session)
    statement = update(AlertWatch).where(AlertWatch.id == 1)
    if expected is not None:
        statement = statement.where(AlertWatch.run_no == expected)
    statement = statement.values(run_no=AlertWatch.run_no + 1, **values).returning(AlertWatch.id)
    return session.execute(statement, execution_options={"synchronize_session": False}).first() is not None


def touch_watch(session: Session, now: datetime, worker: str) -> None:
    """Say that rules are looked after, although none was due."""
    ensure_watch(session)
    session.execute(update(AlertWatch).where(AlertWatch.id == 1).values(evaluated_at=now, worker=worker))


def give_defaults(session: Session, model_id: str, rules: Sequence[dict[str, Any]]) -> bool:
    """The default rules of a model, once and never again; False when it was given them before."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    mark = insert(AlertDefaults).values(model_id=model_id, created_at=utc_now()).on_conflict_do_nothing()
    if session.execute(mark.returning(AlertDefaults.model_id)).first() is None:
        return False
    session.add_all([AlertRule(model_id=model_id, **rule) for rule in rules])
    session.flush()
    return True


def models_with_defaults(session: Session) -> set[str]:
    """Ids of the models that were given default rules."""
    return set(session.scalars(select(AlertDefaults.model_id)))
