"""Folds what was seen into states, incidents and messages, for one run of the evaluation. Pure but for its own lists.

The incident's id follows from its rule, model, series and number, so that a run that is done again (another worker,
a restart half-way) writes the very same rows, and each message has one key however often it is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from backend.alerts.rule import EVALUATION, WatchedRule
from backend.alerts.rules import RANK, Observation, Outcome, Policy, SeriesState, recall, remember, step

_NAMESPACE = uuid.UUID("5e7a3c52-6d0f-4d77-9a1c-0c3e1d0b6f11")
#: A failed evaluation is told at once, and again every day while it goes on.
_FAILURE = Policy(renotify_s=86_400)
#: A version or segment value that was not seen for this long is gone, and so is its incident.
GONE_AFTER = timedelta(days=1)
ABSENT = Observation(None, reason="absent")

Key = tuple[str, str, str]


def incident_id(key: Key, number: int) -> str:
    """The id of a series' incident by its number."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join((*key, str(number)))))


@dataclass(slots=True)
class Told:
    """A message that is due: which incident, what about it, and when it was found."""

    incident_id: str
    kind: str
    at: datetime
    rule: WatchedRule
    model_id: str
    incident: dict[str, Any]


@dataclass
class Fold:
    """`states` and `incidents` are the rows as they were, by series and by id; what changes is collected here.

    `incidents` holds the open ones; `acknowledged` are the ids that somebody takes care of.
    """

    states: Mapping[Key, Any]
    incidents: dict[str, dict[str, Any]]
    acknowledged: frozenset[str] = frozenset()
    new_states: dict[Key, dict[str, Any]] = field(default_factory=dict)
    opened: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[Told] = field(default_factory=list)
    _names: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for rule_id, model_id, name in self.states:
            self._names.setdefault((rule_id, model_id), []).append(name)

    def series_of(self, rule_id: str, model_id: str) -> list[str]:
        """The names of the series that have a state."""
        return self._names.get((rule_id, model_id), [])

    def take(
        self, rule: WatchedRule, model_id: str, name: str, found: Sequence[tuple[datetime, Observation]], *, muted: bool
    ) -> None:
        """Fold one series' observations, oldest first."""
        key = (rule.id, model_id, name)
        row = self.states.get(key)
        memory = dict(row.memory) if row is not None else {}
        state, score = recall(memory["state"]) if memory else SeriesState(), memory.get("score", 0.0)
        shown, since = (row.state, row.since) if row is not None else ("", None)
        policy = _FAILURE if name == EVALUATION else rule.policy
        seen = found[-1][1]
        for at, seen in found:
            is_known = incident_id(key, state.number) in self.acknowledged
            outcome = step(policy, state, seen, at, is_muted=muted, is_acknowledged=is_known)
            if outcome.state is state:
                continue
            score = self._incident(rule, key, outcome, seen, at, score)
            state = outcome.state
            if state.state != shown:
                shown, since = state.state, at
        if rule.each and seen is ABSENT and since is not None and state.state == "no_data":
            state = self._leave(key, state, since, found[-1][0])
        self.new_states[key] = {
            "rule_id": rule.id,
            "model_id": model_id,
            "series": name,
            "state": state.state,
            "since": since or found[-1][0],
            "value": seen.value,
            "n": seen.n,
            "reason": seen.reason,
            "memory": {"state": remember(state), "score": score},
            "evaluated_at": found[-1][0],
        }

    def _incident(
        self, rule: WatchedRule, key: Key, outcome: Outcome, seen: Observation, at: datetime, score: float
    ) -> float:
        """Write down what a step did to the incident; the worst score so far."""
        mine = incident_id(key, outcome.state.number)
        if "opened" in outcome.changes:
            score = seen.score
            self.opened[mine] = self.incidents[mine] = _incident(mine, rule, key, outcome, seen, at)
        incident = self.incidents.get(mine)
        if incident is None:
            return score
        if "closed" in outcome.changes:
            self._change(incident, closed_at=at, end_reason="well")
        else:
            level = outcome.state.open_level
            if level is not None and RANK[level] > RANK[incident["state"]]:
                self._change(incident, state=level)
            if seen.level is not None and seen.score > score:
                score = seen.score
                self._change(incident, **_worst(rule, seen, at))
        for kind in outcome.messages:
            self.messages.append(Told(mine, kind, at, rule, key[1], dict(incident)))
        return score

    def _leave(self, key: Key, state: SeriesState, since: datetime, at: datetime) -> SeriesState:
        """Forget a version or segment value that is gone; its open incident ends with it."""
        if state.open_level is None or at - since < GONE_AFTER:
            return state
        incident = self.incidents.get(incident_id(key, state.number))
        if incident is not None:
            self._change(incident, closed_at=at, end_reason="gone")
        return SeriesState(state="no_data", number=state.number, evaluated_at=state.evaluated_at)

    def _change(self, incident: dict[str, Any], **values: Any) -> None:
        incident.update(values)
        if incident["id"] not in self.opened:
            self.changed[incident["id"]] = incident


def _incident(
    mine: str, rule: WatchedRule, key: Key, outcome: Outcome, seen: Observation, at: datetime
) -> dict[str, Any]:
    return {
        "id": mine,
        "rule_id": key[0],
        "model_id": key[1],
        "series": key[2],
        "number": outcome.state.number,
        "kind": "failure" if key[2] == EVALUATION else "rule",
        "state": outcome.state.open_level,
        "opened_at": at,
        "closed_at": None,
        "end_reason": None,
        "rule": rule.facts,
        **_worst(rule, seen, at),
    }


def _worst(rule: WatchedRule, seen: Observation, at: datetime) -> dict[str, Any]:
    return {
        "peak": seen.value,
        "reference": seen.reference,
        "n": seen.n,
        "reason": seen.reason,
        "window_start": at - timedelta(seconds=rule.window_s),
        "window_end": at,
    }


#: What an incident's row may change to while it goes on.
CHANGING = ("state", "closed_at", "end_reason", "peak", "reference", "n", "reason", "window_start", "window_end")
