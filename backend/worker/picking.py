"""Which logged answers triage picks: the policy in force when each happened, its hourly rates, and the situation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from backend.review_policies.situation import Situation, read_situation
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.model import Model
from db.repositories import review_policies
from db.repositories.review_policies import Timeline
from review.rules.budgets import hour_of
from review.rules.sampling import Answer, Draw, ReviewPolicy, draw, strata_of, unit

#: Column that triage adds to the events it looks at: an input lies in a bin that has grown.
IN_GROWN_BIN = "is_in_grown_bin"
_NEEDED = (
    "subject_id", "request_id", "event_id", "is_null_output", "score", "role", "status", "happened_at", "prediction",
    "champion_prediction",
)  # fmt: skip
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
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
        keep = ~pc.is_null(table["subject_id"]).to_numpy() | (_texts(table["role"]) == "shadow") | _nulls(table)
        ids: list[str] = pc.coalesce(table["request_id"], table["event_id"]).to_pylist()
        for policy, rows in self._by_policy(table):
            pi = self._chances(policy, table)
            keep |= rows & (pi >= 1.0)
            for place in np.flatnonzero(rows & ~keep):
                keep[place] = unit(policy.seed, ids[place]) < pi[place]
        return table.filter(pa.array(keep))

    def _by_policy(self, table: pa.Table) -> Iterator[tuple[ReviewPolicy, Flags]]:
        """Each policy with the answers that it may pick."""
        times, is_ok = table["happened_at"].cast(pa.int64()).to_numpy(), _texts(table["status"]) == "ok"
        bounds = [None, *self.timeline.starts, None]
        for place, policy in enumerate(self.timeline.policies):
            oldest = self.now - timedelta(days=policy.max_age_days)
            start, end = bounds[place], bounds[place + 1]
            rows = is_ok & (times >= _micros(max(oldest, start) if start is not None else oldest))
            if end is not None:
                rows &= times < _micros(end)
            if policy.is_enabled and rows.any():
                yield policy, rows

    def _chances(self, policy: ReviewPolicy, table: pa.Table) -> Floats:
        """The chance of every answer under one policy, as `chance` has it for one."""
        is_shadow = _texts(table["role"]) == "shadow"
        score = table["score"].to_numpy().astype(np.float64)
        said, champion = table["prediction"], table["champion_prediction"]
        here = {
            "null_output": _nulls(table) & ~is_shadow,
            "disagreement": is_shadow & pc.not_equal(said, champion).fill_null(False).to_numpy(),
            "low_confidence": ~is_shadow & (score < policy.low_score),
        }
        if IN_GROWN_BIN in table.column_names:
            here["drifted_bin"] = table[IN_GROWN_BIN].to_numpy()
        if self.situation.alerts:
            moments = table["happened_at"].to_pylist()
            here["alert"] = np.fromiter(map(self.situation.in_alert, moments), dtype=bool, count=len(moments))
        pi = np.full(table.num_rows, policy.epsilon)
        hours = np.array([hour_of(at) for at in table["happened_at"].to_pylist()]) if policy.budgets else None
        for name, rows in here.items():
            pi[rows] = np.maximum(pi[rows], policy.rate(name))
            if hours is not None and name in policy.budgets:
                for hour in set(hours[rows].tolist()):
                    chosen = rows & (hours == hour)
                    pi[chosen] = np.maximum(pi[chosen], self.hourly.get((policy.id, hour), {}).get(name, 0.0))
        return pi

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


def _nulls(table: pa.Table) -> Flags:
    """Answers that count as none; one of which that is not known too."""
    found: Flags = table["is_null_output"].fill_null(True).to_numpy()
    return found.copy()


def _texts(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    found: npt.NDArray[np.object_] = column.to_numpy()
    return found


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


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
