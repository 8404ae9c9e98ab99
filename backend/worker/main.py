"""run_worker(): the worker process. Looks through new events, seals them, keeps house, and runs the durable jobs.

Five threads: this one works through the models; others say that the worker is alive and feed the job queue, look at
the alert rules, judge the automation gates, and send messages, so that a long seal or a slow receiver delays none of
them. Nothing that fails ends
the worker: it is logged, and tried again later and later.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from backend.drift.judge import drift_judge
from backend.embeddings.service import queue_due
from backend.outbox.sending import Sender
from backend.processes.sampling import Sampler, store_in
from backend.reports.schedules import make_due_reports
from backend.settings import Settings
from backend.worker import metrics
from backend.worker.alerts import AlertEvaluator
from backend.worker.automation import AutomationJudge
from backend.worker.feedback import FeedbackJoiner
from backend.worker.jobs import JobRunner
from backend.worker.media import MAX_POSTPONE_S, are_measured, measure_waiting
from backend.worker.metrics_server import serve_metrics
from backend.worker.references import count_references
from backend.worker.review import check_people, tell_resolutions
from backend.worker.triage import triage
from db.artifact_store import ArtifactStore
from db.base import utc_now
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.schema import MEDIA_MEASURES
from db.eventlog.seal import compact, needs_compaction, seal
from db.repositories import automation, jobs, models, outbox, planted_items, retention
from db.repositories.unsealed import Unsealed, unsealed_models

log = structlog.get_logger("soi.worker")

TICK_S = 1.0
BEAT_S = 5.0
HOUSE_S = 3600.0
#: How late after its hour a scheduled report begins at most.
DUE_S = 15.0
ALERTS_S = 5.0
FEEDBACK_S = 2.0
#: How often it is looked whether somebody agrees too seldom on known items.
PEOPLE_S = 60.0
COMPACT_S = 86_400.0
#: A model's new events are looked through for this long before what was looked through is sealed: after a burst the
#: hot tail would grow until all of it was, and a worker that is told to stop would not hear it.
TRIAGE_S = 5.0
#: Slices of one model sealed before the next model has its turn.
SLICES = 8
COMPACT_CHECK_S = 300.0
#: How often it is looked whether a model of media wants new vectors; first a while after the start.
EMBED_S = 3600.0
EMBED_FIRST_S = 120.0
#: The longest wait after repeated failures.
MAX_WAIT_S = 60.0


@dataclass(slots=True)
class Chore:
    """Something done again and again, that waits longer after each failure."""

    name: str
    every_s: float
    n_failures: int = 0
    next_at: float = 0.0
    error: str | None = None

    def run(self, work: Callable[[], Any]) -> None:
        """Do it if it is time; a failure is logged and remembered."""
        if time.monotonic() < self.next_at:
            return
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one chore's failure must not end the others
            self.n_failures += 1
            self.error = f"{type(error).__name__}: {error}"[:300]
            metrics.CHORE_FAILURES.labels(self.name.split(" ")[0]).inc()
            self.next_at = time.monotonic() + min(MAX_WAIT_S, self.every_s * 2**self.n_failures)
            log.warning("chore failed", chore=self.name, n_failures=self.n_failures, error=self.error)
        else:
            self.n_failures, self.error = 0, None
            self.next_at = time.monotonic() + self.every_s


@dataclass(slots=True)
class ModelState:
    """What the worker knows of one model."""

    chore: Chore
    compact: Chore
    triaged_id: int = 0
    n_sealed: int = 0
    compacted_at: float = field(default_factory=time.monotonic)
    sealed_at: datetime | None = None


@dataclass
class Worker:
    """One worker process."""

    settings: Settings
    stop: threading.Event
    started_at: datetime = field(default_factory=utc_now)

    def __post_init__(self) -> None:
        self.database = Database(self.settings.database_url)
        self.eventlog = EventLog(self.database, self.settings.lake_uri)
        self.artifacts = ArtifactStore(self.settings.artifacts_uri)
        self.runner = JobRunner(self.settings, self.database, self.artifacts)
        self.states: dict[str, ModelState] = {}
        self.evaluator = AlertEvaluator(
            self.database,
            self.eventlog,
            self.runner.name,
            give_up_hours=self.settings.outbox_give_up_hours,
            drift=drift_judge(self.database, self.eventlog),
        )
        self.automation = AutomationJudge(
            self.database,
            self.eventlog,
            language=self.settings.language,
            give_up_hours=self.settings.outbox_give_up_hours,
        )
        self.automating = Chore("automation", self.settings.automation_seconds)
        self.sender = Sender(self.database, self.settings, on_attempt=lambda what: metrics.MESSAGES.labels(what).inc())
        self.alerting = Chore("alerts", ALERTS_S)
        self.sampler = Sampler("worker", self.settings.data_dir, self._gauges, store_in(self.database))
        self.joiner = FeedbackJoiner(self.database, self.eventlog)
        self._jobs_ready = False

    def run(self) -> None:
        """Work until told to stop."""
        others = [
            threading.Thread(target=work, name=f"soi-{name}", daemon=True)
            for name, work in (
                ("keeper", self._keep),
                ("alerts", self._alert),
                ("automation", self._automate),
                ("sender", self._send),
            )
        ]
        for thread in others:
            thread.start()
        self.sampler.start()
        close_metrics = serve_metrics(self.settings, self.database)
        look, house = Chore("models", TICK_S), Chore("house", HOUSE_S, next_at=time.monotonic() + TICK_S)
        count, feedback = Chore("references", TICK_S), Chore("feedback", FEEDBACK_S)
        resolved, people = Chore("resolutions", TICK_S), Chore("people", PEOPLE_S)
        embed = Chore("embeddings", EMBED_S, next_at=time.monotonic() + EMBED_FIRST_S)
        log.info("worker started", name=self.runner.name)
        while not self.stop.wait(TICK_S):
            look.run(self.look_at_models)
            count.run(partial(count_references, self.database, self.eventlog.lake, self.stop))
            feedback.run(lambda: self.joiner.run(utc_now()))
            resolved.run(lambda: tell_resolutions(self.database, utc_now(), self.settings.outbox_give_up_hours))
            people.run(lambda: check_people(self.database, utc_now()))
            house.run(self.keep_house)
            embed.run(partial(queue_due, self.database, self.settings.embeddings_per_day))
        self.sampler.stop()
        for thread in others:
            thread.join(30)
        close_metrics()
        if self._jobs_ready:
            self.runner.stop()
        Chore("farewell", 0).run(self._say_farewell)
        self.eventlog.close()
        self.database.dispose()
        log.info("worker stopped", name=self.runner.name)

    def look_at_models(self) -> None:
        """Triage what is new and seal what is due, model by model."""
        with self.database.read() as session:
            waiting = unsealed_models(session)
            known = {hot.model_id: models.get_model(session, hot.model_id) for hot in waiting}
        for hot in waiting:
            model = known[hot.model_id]
            if model is None or self.stop.is_set():
                continue
            state = self._state(model.id, model.name)
            state.chore.run(partial(self._work, model, hot, state))
        for model_id, state in self.states.items():
            state.compact.run(partial(self._compact, model_id, state))
        metrics.LOOKED_AT.set_to_current_time()

    def _work(self, model: Any, hot: Unsealed, state: ModelState) -> None:
        if hot.last_id > state.triaged_id:
            until = time.monotonic() + TRIAGE_S
            is_over = partial(self._is_over, until)
            state.triaged_id = triage(self.database, self.eventlog, model, utc_now(), is_over=is_over).batch_id
        if not self.is_due(hot):
            return
        if model.item_kind in MEDIA_MEASURES and not self._files_are_measured(hot):
            return
        move = partial(seal, self.database, self.settings.lake_uri, model.id, owner=self.runner.name)
        for _ in range(SLICES):
            n_events = move(up_to_batch_id=state.triaged_id)
            state.n_sealed += n_events
            metrics.SEALED_EVENTS.inc(n_events)
            if n_events == 0 or self.stop.is_set():
                break
        state.sealed_at = utc_now()

    def _files_are_measured(self, hot: Unsealed) -> bool:
        """Whether the seal may go on: files that were measured later would never come to the sealed rows."""
        measure_waiting(self.database, self.artifacts, self.settings)
        waited_s = (utc_now() - hot.oldest_at).total_seconds()
        return waited_s > MAX_POSTPONE_S or are_measured(self.database)

    def _is_over(self, until: float) -> bool:
        return self.stop.is_set() or time.monotonic() >= until

    def _compact(self, model_id: str, state: ModelState) -> None:
        """Once a day, and sooner when a day has many small files."""
        lake_uri, now = self.settings.lake_uri, time.monotonic()
        if now - state.compacted_at >= COMPACT_S or needs_compaction(lake_uri, model_id):
            compact(self.database, lake_uri, model_id, owner=self.runner.name)
            state.compacted_at = now

    def is_due(self, hot: Unsealed) -> bool:
        """Whether a model has enough, or old enough, hot events; a seal left unfinished is always due."""
        waited_s = (utc_now() - hot.oldest_at).total_seconds()
        return hot.n_events >= self.settings.seal_rows or waited_s >= self.settings.seal_seconds or hot.is_claimed

    def _state(self, model_id: str, name: str) -> ModelState:
        if model_id not in self.states:
            self.states[model_id] = ModelState(Chore(f"seal {name}", TICK_S), Chore(f"compact {name}", COMPACT_CHECK_S))
        return self.states[model_id]

    def keep_house(self) -> None:
        """Throw away what is past its time, in portions."""
        total: Counter[str] = Counter()
        while not self.stop.is_set():
            with self.database.write() as session:
                removed = retention.remove_old(
                    session,
                    utc_now(),
                    idempotency_hours=self.settings.idempotency_hours,
                    quarantine_days=self.settings.quarantine_days,
                    report_days=self.settings.report_days,
                )
                removed["automation_verdicts"] = automation.remove_old_verdicts(
                    session, utc_now() - timedelta(days=self.settings.automation_days), retention.PORTION
                )
                removed["outbox_messages"] = outbox.remove_settled(
                    session, utc_now() - timedelta(days=self.settings.outbox_keep_days)
                )
                removed["planted_tasks"] = planted_items.withdraw_stale(session, utc_now())
            total.update(removed)
            if max(removed.values()) < retention.PORTION:
                break
        if any(total.values()):
            log.info("removed old rows", **total)

    def _keep(self) -> None:
        beat, sweep = Chore("heartbeat", BEAT_S), Chore("jobs", TICK_S)
        due = Chore("report schedules", DUE_S)
        while True:
            beat.run(self._say_alive)
            due.run(lambda: make_due_reports(self.database, utc_now()))
            sweep.run(self._feed_jobs)
            if self.stop.wait(TICK_S / 2):
                return

    def _alert(self) -> None:
        while not self.stop.wait(TICK_S):
            self.alerting.run(self.evaluator.run)

    def _automate(self) -> None:
        while not self.stop.wait(TICK_S):
            self.automating.run(self.automation.run)

    def _send(self) -> None:
        sending = Chore("outbox", TICK_S)
        while not self.stop.wait(TICK_S):
            sending.run(self._empty_outbox)

    def _empty_outbox(self) -> None:
        while not self.stop.is_set() and self.sender.run():
            continue

    def _feed_jobs(self) -> None:
        if not self._jobs_ready:
            self.runner.start()
            self._jobs_ready = True
        self.runner.sweep()

    def _say_alive(self) -> None:
        with self.database.write() as session:
            jobs.beat_worker(session, self.runner.name, self.started_at, utc_now(), self.status())

    def _gauges(self) -> dict[str, float]:
        with self.database.read() as session:
            return {"n_jobs_waiting": jobs.count_queued(session)}

    def _say_farewell(self) -> None:
        with self.database.write() as session:
            jobs.remove_worker(session, self.runner.name)

    def status(self) -> dict[str, Any]:
        """What the worker did last, per model, for people who look after it."""
        return {
            "alerts": {"error": self.alerting.error},
            "automation": {"error": self.automating.error},
            "models": {
                model_id: {
                    "n_sealed": state.n_sealed,
                    "sealed_at": state.sealed_at.isoformat() if state.sealed_at else None,
                    "error": state.chore.error or state.compact.error,
                }
                for model_id, state in dict(self.states).items()
            },
        }


def run_worker(settings: Settings, stop: threading.Event) -> None:
    """Run a worker until `stop` is set. The caller turns SIGTERM and SIGINT into `stop`."""
    Worker(settings, stop).run()
