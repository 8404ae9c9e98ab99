"""Which logged answers triage picks: the policy in force when each happened, its hourly rates, and the situation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from backend.review_policies.situation import Situation, read_situation
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.model import Model
from db.repositories import review_policies
from db.repositories.review_policies import Timeline
from review.rules.budgets import hour_of
from review.rules.sampling import Answer, Draw, ReviewPolicy, chance, draw, strata_of, unit

#: Column that triage adds to the events it looks at: an input lies in a bin that has grown.
IN_GROWN_BIN = "is_in_grown_bin"
_NEEDED = (
    "subject_id", "request_id", "event_id", "is_null_output", "score", "role", "status", "happened_at", "prediction",
    "champion_prediction",
)  # fmt: skip
_Hours = dict[str, Counter[tuple[str, datetime]]]


@dataclass(slots=True)
class Picking:
    """The policies of a model with all that their draws need."""

    timeline: Timeline
    now: datetime
    situation: Situation = field(default_factory=Situation)
    hourly: dict[tuple[str, datetime], dict[str, float]] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """Ids of all policies that were ever in force."""
        return {policy.id for policy in self.timeline.policies}

    def mark(self, table: pa.Table) -> pa.Table:
        """Events with what the situation says about each."""
        if not self.situation.columns:
            return table
        return table.append_column(IN_GROWN_BIN, pa.array(self.situation.in_grown_bin(table)))

    def policy_for(self, event: Mapping[str, Any]) -> ReviewPolicy | None:
        """The policy that may pick an answer; None for failed and for old ones."""
        policy = self.timeline.at(event["happened_at"])
        is_old = event["happened_at"] < self.now - timedelta(days=policy.max_age_days)
        return policy if policy.is_enabled and event["status"] == "ok" and not is_old else None

    def answer(self, event: Mapping[str, Any]) -> Answer:
        """What the policy looks at."""
        is_shadow, against = event["role"] == "shadow", event["champion_prediction"]
        return Answer(
            is_null=bool(event["is_null_output"]) and not is_shadow,
            disagrees=is_shadow and against is not None and against != event["prediction"],
            score=event["score"] if not is_shadow else None,
            is_in_drifted_bin=bool(event.get(IN_GROWN_BIN)),
            is_in_alert=bool(self.situation.alerts) and self.situation.in_alert(event["happened_at"]),
        )

    def rates_for(self, policy: ReviewPolicy, event: Mapping[str, Any]) -> Mapping[str, float]:
        """What the policy's budgets mean in the hour of an answer."""
        return self.hourly.get((policy.id, hour_of(event["happened_at"])), {}) if policy.budgets else {}

    def draw(self, policy: ReviewPolicy, subject_id: str, event: Mapping[str, Any]) -> Draw:
        """The verdict on one answer."""
        return draw(policy, subject_id, self.answer(event), self.rates_for(policy, event))

    def keep_what_matters(self, table: pa.Table) -> pa.Table:
        """Leave out answers without a subject that no lot picks: most of a busy log. Shadow answers stay."""
        if table["subject_id"].null_count == 0:
            return table
        keep = [
            event["subject_id"] is not None
            or event["role"] == "shadow"
            or event["is_null_output"] is not False
            or self._is_picked(event)
            for event in _rows(table)
        ]
        return table.filter(pa.array(keep, type=pa.bool_()))

    def _is_picked(self, event: Mapping[str, Any]) -> bool:
        policy = self.policy_for(event)
        if policy is None:
            return False
        pi = chance(policy, strata_of(policy, self.answer(event)), self.rates_for(policy, event))
        return pi >= 1.0 or unit(policy.seed, event["request_id"] or event["event_id"]) < pi

    def count_hours(self, table: pa.Table) -> list[tuple[ReviewPolicy, Counter[tuple[str, datetime]]]]:
        """How many answers of each budgeted stratum came in each hour; nothing where no policy has a budget."""
        if not any(policy.budgets for policy in self.timeline.policies):
            return []
        by_id: dict[str, ReviewPolicy] = {}
        found: _Hours = {}
        for event in _rows(table):
            policy = self.policy_for(event)
            if policy is None or not policy.budgets:
                continue
            by_id[policy.id] = policy
            counts, hour = found.setdefault(policy.id, Counter()), hour_of(event["happened_at"])
            counts.update({(name, hour): 0 for name in policy.budgets})
            here = strata_of(policy, self.answer(event))
            counts.update((name, hour) for name in policy.budgets if name in here)
        return [(by_id[one], counts) for one, counts in found.items()]


def _rows(table: pa.Table) -> Iterable[dict[str, Any]]:
    names = [name for name in (*_NEEDED, IN_GROWN_BIN) if name in table.column_names]
    columns = [table[name].to_pylist() for name in names]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def read_picking(database: Database, eventlog: EventLog, model: Model, now: datetime) -> Picking:
    """The model's policies and the situation, once per run."""
    with database.read() as session:
        timeline = review_policies.timeline(session, model)
    looks_at = {name for policy in timeline.policies if policy.is_enabled for name in policy.looks_at}
    since = now - timedelta(days=max(policy.max_age_days for policy in timeline.policies))
    return Picking(timeline, now, read_situation(database, eventlog, model, looks_at, since, now))


def set_hours(
    database: Database, model: Model, picking: Picking, table: pa.Table
) -> dict[tuple[str, str, datetime], int]:
    """Set the rates of the hours in which these events happened; what is to be counted as seen with the cursor."""
    counted = picking.count_hours(table)
    for policy, seen in counted:
        with database.write() as session:
            rates = review_policies.set_rates(session, model.id, policy, seen)
        picking.hourly |= {(policy.id, hour): found for hour, found in rates.items()}
    return {(policy.id, *what): n for policy, seen in counted for what, n in seen.items() if n}
