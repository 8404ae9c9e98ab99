"""What a policy would send to people: replayed with its own seed over logged answers, beside the policy in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from backend.review_policies.schemas import DayCount, Forecast, PeopleSpeed, Preview
from backend.review_policies.situation import Situation, read_situation
from db.analytics.people_speed import read_speed
from db.engine import Database
from db.eventlog.filters import quote
from db.eventlog.log import EventLog
from db.models.model import Model
from db.repositories import planted_items, review_policies
from review.rules.queue import FILE_KINDS
from review.rules.replay import Logged, Replayed, replay
from review.rules.sampling import Answer, ReviewPolicy

#: Answers replayed at most; of a larger window those about one subject in k, chosen by the hash of its id.
MAX_EVENTS = 50_000
_SUBJECT = "coalesce(subject_id, request_id, event_id)"
_COLUMNS = ("happened_at", "is_null_output", "score", "role", "prediction", "champion_prediction")


def preview(
    database: Database, eventlog: EventLog, model: Model, policy: ReviewPolicy, *, days: int, now: datetime
) -> Preview:
    """Both policies over the last days."""
    start = now - timedelta(days=days)
    with database.read() as session:
        current = review_policies.current_policy(session, model)
        known = planted_items.count_active(session, model.id)
        speed = read_speed(session, model.id, now)
    looks_at = policy.looks_at | current.looks_at
    situation = read_situation(database, eventlog, model, looks_at, start, now, by_day=True)
    n_events, every, table = _read(eventlog, model, situation, start, now)
    events = list(_logged(table, situation))
    outcomes = [replay(one, events, every=every) for one in (policy, current)]
    proposed, in_force = (_forecast(one, every, days) for one in outcomes)
    return Preview(
        start=start,
        end=now,
        n_events=n_events,
        n_subjects=len({event.subject_id for event in events}) * every,
        sample_every=every,
        proposed=proposed,
        current=in_force,
        people=PeopleSpeed(
            answers_per_day=speed.answers_per_day,
            busiest_day=speed.busiest_day,
            n_people=speed.n_people,
            median_s=speed.median_s,
        ),
        n_known_items=known,
    )


def _read(
    eventlog: EventLog, model: Model, situation: Situation, start: datetime, end: datetime
) -> tuple[int, int, pa.Table]:
    """(answers that people could look at, one subject in so many, the answers read), in the order of time."""
    names = ", ".join([f"{_SUBJECT} AS subject", *map(quote, [*_COLUMNS, *situation.columns])])
    usable = "status = 'ok'"
    if model.item_kind in FILE_KINDS:
        usable += f" AND {_SUBJECT} IN (SELECT {_SUBJECT} FROM events WHERE len(artifacts) > 0)"
    with eventlog.connect(model.id, start, end) as connection:
        counted = connection.sql(f"SELECT count(*) AS n FROM events WHERE {usable}").to_arrow_table()
        n_events = int(counted["n"][0].as_py())
        every = max(1, -(-n_events // MAX_EVENTS))
        some = f" AND hash({_SUBJECT}) % {every} = 0" if every > 1 else ""
        query = f"SELECT {names} FROM events WHERE {usable}{some} ORDER BY happened_at, event_id"
        return n_events, every, connection.sql(query).to_arrow_table()


def _logged(table: pa.Table, situation: Situation) -> Iterator[Logged]:
    grown = situation.in_grown_bin(table)
    columns: Any = (table[name].to_pylist() for name in ("subject", *_COLUMNS))
    for place, (subject, at, is_null, score, role, said, champion) in enumerate(zip(*columns, strict=True)):
        is_shadow = role == "shadow"
        answer = Answer(
            is_null=bool(is_null) and not is_shadow,
            disagrees=is_shadow and champion is not None and champion != said,
            score=None if is_shadow else score,
            is_in_drifted_bin=bool(grown[place]),
            is_in_alert=bool(situation.alerts) and situation.in_alert(at),
        )
        yield Logged(subject, at, answer)


def _forecast(found: Replayed, every: int, days: int) -> Forecast:
    scale = every / days
    return Forecast(
        items_per_day=found.n_items * scale,
        answers_per_day=found.n_answers * scale,
        planted_per_day={kind: n * scale for kind, n in sorted(found.planted.items())},
        by_reason={reason: n * scale for reason, n in found.by_reason.most_common()},
        by_day=[DayCount(day=day, n=float(n * every)) for day, n in sorted(found.by_day.items())],
        least_pi=found.least_pi,
    )
