"""Looks at every alert rule that is due and writes states, incidents and messages in one transaction.

Called by the worker every few seconds. Two workers may look at once: the transaction counts the run, and the one that
finds another count than it read writes nothing. A rule whose evaluation fails is told of as an alert of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from backend.alerts.defaults import default_rules
from backend.alerts.evaluate import DriftJudge, Look, observe_all
from backend.alerts.fold import ABSENT, CHANGING, Fold, Told
from backend.alerts.rule import EVALUATION, SEVERITIES, WatchedRule, watched
from backend.alerts.rules import Observation, Series, Silence, due_points, is_silenced
from backend.worker import metrics
from db.analytics.answers import JudgedAnswers
from db.analytics.series import Charts
from db.analytics.watched import Watcher
from db.base import utc_now
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.alert import AlertIncident
from db.repositories import alert_incidents, alert_rules, channels, models, outbox, rollups

log = structlog.get_logger("soi.alerts")

#: Windows that passed while no worker ran are looked at too, at most so many per rule (12 hours of five minutes).
CATCH_UP = 144
#: The watch is marked as alive this often although nothing was due.
_ALIVE_S = 15.0


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did. `is_written` false: another worker was first."""

    n_rules: int = 0
    n_series: int = 0
    n_failed: int = 0
    n_messages: int = 0
    is_written: bool = True


@dataclass(frozen=True, slots=True)
class _Loaded:
    run_no: int
    rules: list[WatchedRule]
    models: dict[str, Any]
    fold: Fold
    silences: list[Silence]
    channels: list[Any]


class AlertEvaluator:
    """The evaluation of one worker process. `drift` judges windows of features where a rule asks for it."""

    def __init__(
        self,
        database: Database,
        eventlog: EventLog,
        worker: str,
        *,
        give_up_hours: float,
        drift: DriftJudge | None = None,
    ) -> None:
        self.database, self.worker, self.drift = database, worker, drift
        self.give_up_after = timedelta(hours=give_up_hours)
        self.watcher = Watcher(Charts(database, eventlog, JudgedAnswers(eventlog)))
        self._alive_at = 0.0

    def run(self, now: datetime | None = None, *, catch_up: int = CATCH_UP) -> Report:
        """Look at what is due at `now`; what was looked at already is left alone."""
        begun, now = time.perf_counter(), now or utc_now()
        self._give_defaults()
        with self.database.read() as session:
            loaded = _load(session, now)
            first_days = rollups.first_days(session, list(loaded.models))
        looks = _due(loaded, now, catch_up)
        if not looks:
            self._say_alive(now)
            return Report()
        found = observe_all(looks, self.watcher, loaded.models, first_days, now, self.drift)
        n_failed = sum(_take(loaded, look, one, now) for look, one in zip(looks, found, strict=True))
        report = self._write(loaded, looks, n_failed, now, time.perf_counter() - begun)
        metrics.EVALUATION_SECONDS.observe(time.perf_counter() - begun)
        metrics.EVALUATION_FAILURES.inc(n_failed)
        return report

    def _give_defaults(self) -> None:
        """Models that were made without the API (an import, an older installation) get their default rules here."""
        with self.database.read() as session:
            known = alert_rules.models_with_defaults(session)
            fresh = [model.id for model in models.list_models(session, limit=100_000) if model.id not in known]
        for model_id in fresh:
            with self.database.write() as session:
                alert_rules.give_defaults(session, model_id, default_rules())

    def _say_alive(self, now: datetime) -> None:
        if time.monotonic() - self._alive_at < _ALIVE_S:
            return
        with self.database.write() as session:
            alert_rules.touch_watch(session, now, self.worker)
        self._alive_at = time.monotonic()

    def _write(self, loaded: _Loaded, looks: Sequence[Look], n_failed: int, now: datetime, duration_s: float) -> Report:
        fold, names = loaded.fold, {model.id: model.name for model in loaded.models.values()}
        messages = [
            row
            for told in fold.messages
            for row in _messages(told, loaded.channels, names, now, now + self.give_up_after)
        ]
        rules = {look.rule.id: look.ends[-1] for look in looks}
        with self.database.write() as session:
            is_first = alert_rules.next_run(
                session,
                loaded.run_no,
                evaluated_at=now,
                worker=self.worker,
                n_rules=len(rules),
                n_series=len(fold.new_states),
                n_failed=n_failed,
                duration_ms=duration_s * 1000,
            )
            if not is_first:
                log.info("another worker looked first", worker=self.worker)
                return Report(len(rules), len(fold.new_states), n_failed, is_written=False)
            alert_rules.upsert_states(session, list(fold.new_states.values()))
            alert_incidents.add_incidents(session, list(fold.opened.values()))
            alert_incidents.update_incidents(
                session, [{"id": row["id"], **{name: row[name] for name in CHANGING}} for row in fold.changed.values()]
            )
            alert_rules.mark_evaluated(session, list(rules.items()))
            n_messages = outbox.add_messages(session, messages)
        self._alive_at = time.monotonic()
        return Report(len(rules), len(fold.new_states), n_failed, n_messages)


def _load(session: Session, now: datetime) -> _Loaded:
    """Everything that a run needs to know, in one snapshot."""
    watch = alert_rules.get_watch(session)
    rules = [watched(row) for row in alert_rules.list_rules(session, only_enabled=True, limit=100_000)]
    states = {(row.rule_id, row.model_id, row.series): row for row in alert_rules.list_states(session)}
    opened = alert_incidents.open_incidents(session)
    columns = [column.name for column in AlertIncident.__table__.columns]
    return _Loaded(
        run_no=watch.run_no if watch is not None else 0,
        rules=rules,
        models={model.id: model for model in models.list_models(session, limit=100_000)},
        fold=Fold(
            states,
            {row.id: {name: getattr(row, name) for name in columns} for row in opened},
            frozenset(row.id for row in opened if row.acknowledged_at is not None),
        ),
        silences=[
            Silence(row.rule_id, row.model_id, row.starts_at, row.ends_at)
            for row in alert_rules.list_silences(session, after=now)
        ],
        channels=channels.list_channels(session, only_enabled=True),
    )


def _due(loaded: _Loaded, now: datetime, catch_up: int) -> list[Look]:
    looks = []
    for rule in loaded.rules:
        points = due_points(rule.every_s, rule.offset_s, rule.evaluated_at, now, catch_up)
        if not points:
            continue
        mine = loaded.models.get(rule.model_id) if rule.model_id is not None else None
        wanted = [mine] if mine is not None else loaded.models.values() if rule.model_id is None else []
        looks += [Look(rule, model.id, points[0], len(points)) for model in wanted if rule.covers(model)]
    return looks


def _take(loaded: _Loaded, look: Look, found: Series | Exception, now: datetime) -> int:
    """Fold one look; 1 when its evaluation failed."""
    rule, fold, ends = look.rule, loaded.fold, look.ends
    is_muted = is_silenced(loaded.silences, rule.id, look.model_id, now)
    known = fold.series_of(rule.id, look.model_id)
    if isinstance(found, Exception):
        reason = f"{type(found).__name__}: {found}"[:500]
        log.warning("evaluation failed", rule=rule.name, model=look.model_id, error=reason)
        failed = Observation("alert", score=1.0, reason=reason)
        fold.take(rule, look.model_id, EVALUATION, [(ends[-1], failed)], muted=is_muted)
        return 1
    for name, observations in found.items():
        fold.take(rule, look.model_id, name, list(zip(ends, observations, strict=True)), muted=is_muted)
    for name in known:
        if name == EVALUATION:
            fold.take(rule, look.model_id, name, [(ends[-1], Observation("ok"))], muted=is_muted)
        elif name not in found:
            fold.take(rule, look.model_id, name, [(end, ABSENT) for end in ends], muted=is_muted)
    return 0


def _messages(
    told: Told, known: Sequence[Any], names: Mapping[str, str], now: datetime, give_up_at: datetime
) -> list[dict[str, Any]]:
    """One row of the outbox for every channel that wants to hear of it."""
    model = names.get(told.model_id, "")
    rows = []
    for channel in known:
        if not _wants(channel, told.rule, model):
            continue
        rows.append(
            {
                "dedupe_key": f"{told.incident_id}:{told.kind}:{int(told.at.timestamp())}:{channel.id}",
                "kind": "alert",
                "channel_id": channel.id,
                "model_name": model,
                "payload": _payload(told, model),
                "next_at": now,
                "give_up_at": give_up_at,
            }
        )
    return rows


def _wants(channel: Any, rule: WatchedRule, model: str) -> bool:
    if rule.channel_ids is not None:
        return channel.id in rule.channel_ids
    is_grave = SEVERITIES.index(rule.severity) >= SEVERITIES.index(channel.min_severity)
    return is_grave and (channel.models is None or model in channel.models)


def _payload(told: Told, model: str) -> dict[str, Any]:
    """What the message tells, as numbers: its text is written when it leaves, in the channel's language."""
    shown = ("series", "kind", "state", "peak", "reference", "n", "reason")
    return {
        "event": told.kind,
        "at": told.at.isoformat(),
        "incident_id": told.incident_id,
        "model": model,
        "rule": {"id": told.rule.id, **told.rule.facts},
        **{name: told.incident[name] for name in shown},
        **{
            name: told.incident[name].isoformat() if told.incident[name] else None
            for name in ("opened_at", "closed_at", "window_start", "window_end")
        },
    }
