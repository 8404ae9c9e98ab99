"""What the API tells Prometheus: durations of requests, counted as they happen, and figures of the whole installation
(hot events, seal lag, queues, outbox, alerts, jobs), read from the database when somebody asks, at most every 5 s.

Labels are bounded: routes by their template, models by MAX_MODELS of them (the rest is summed under "*").
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.base import utc_now
from db.engine import Database
from db.repositories import alert_rules, counts, ingestion_health, models, outbox

REQUEST_SECONDS = Histogram(
    "soi_request_seconds",
    "Time of requests to the API by method, route and class of status",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
#: Models that get a label of their own; the rest is summed.
MAX_MODELS, REST = 100, "*"
_FRESH_S = 5.0
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

Rows = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A gauge read from the database: its name, meaning, labels, and how it is read."""

    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[Session, datetime], Rows]


def _by_model(session: Session, figures: Mapping[str, float], join: Callable[[Iterable[float]], float] = sum) -> Rows:
    """Figures by model id as figures by name, those of many models put together."""
    names = {model.id: model.name for model in models.list_models(session, limit=100_000)}
    largest = sorted(figures, key=lambda one: (-figures[one], one))[:MAX_MODELS]
    found: dict[tuple[str, ...], float] = {(names[one],): figures[one] for one in largest if one in names}
    rest = [figures[one] for one in figures if one not in set(largest)]
    return found | ({(REST,): join(rest)} if rest else {})


def _hot_events(session: Session, _: datetime) -> Rows:
    tails = ingestion_health.hot_tails(session, [model.id for model in models.list_models(session, limit=100_000)])
    return _by_model(session, {model_id: float(tail.n_events) for model_id, tail in tails.items()})


def _seal_lag(session: Session, now: datetime) -> Rows:
    tails = ingestion_health.hot_tails(session, [model.id for model in models.list_models(session, limit=100_000)])
    return _by_model(session, {one: (now - tail.oldest_at).total_seconds() for one, tail in tails.items()}, max)


def _review_queue(session: Session, _: datetime) -> Rows:
    return _by_model(session, {one: float(n) for one, n in counts.open_tasks(session).items()})


def _messages(session: Session, _: datetime) -> Rows:
    found = outbox.count_messages(session)
    return {(state,): float(found.get(state, 0)) for state in ("waiting", "sent", "given_up")}


def _oldest_message(session: Session, now: datetime) -> Rows:
    oldest = outbox.oldest_waiting(session)
    return {(): (now - oldest).total_seconds() if oldest is not None else 0.0}


def _alert_series(session: Session, _: datetime) -> Rows:
    found = alert_rules.count_states(session)
    return {(state,): float(found.get(state, 0)) for state in ("ok", "warning", "alert", "no_data")}


def _firing(session: Session, _: datetime) -> Rows:
    return _by_model(session, {one: float(n) for one, n in counts.open_incidents(session).items()})


def _evaluated(session: Session, _: datetime) -> Rows:
    watch = alert_rules.get_watch(session)
    return {(): watch.evaluated_at.timestamp() if watch is not None and watch.evaluated_at is not None else 0.0}


def _jobs(session: Session, _: datetime) -> Rows:
    return {key: float(n) for key, n in counts.jobs_by_state(session).items()}


def _workers(session: Session, now: datetime) -> Rows:
    return {(): float(counts.living_workers(session, now))}


FIGURES: tuple[Figure, ...] = (
    Figure("soi_hot_events", "Events that are committed but not sealed yet", ("model",), _hot_events),
    Figure("soi_seal_lag_seconds", "Age of the oldest event that is not sealed yet", ("model",), _seal_lag),
    Figure("soi_review_queue_tasks", "Review tasks that wait for people", ("model",), _review_queue),
    Figure("soi_outbox_messages", "Messages in the outbox by state", ("state",), _messages),
    Figure("soi_outbox_oldest_waiting_seconds", "Age of the message that waits longest", (), _oldest_message),
    Figure("soi_alert_series", "Series of alert rules by state", ("state",), _alert_series),
    Figure("soi_alerts_firing", "Open incidents", ("model",), _firing),
    Figure("soi_alerts_evaluated_at_seconds", "When alert rules were last looked at, as a Unix time", (), _evaluated),
    Figure("soi_jobs", "Durable jobs by kind and state", ("kind", "state"), _jobs),
    Figure("soi_workers", "Workers whose heartbeat is fresh", (), _workers),
)


class Installation:
    """A Prometheus collector of FIGURES. A database that does not answer leaves its figures out, and says so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: tuple[float, list[Metric]] = (-_FRESH_S, [])
        self._lock = threading.Lock()

    def describe(self) -> list[Metric]:
        """Nothing is read when the collector is registered."""
        return []

    def collect(self) -> list[Metric]:
        with self._lock:
            if time.monotonic() - self._kept[0] >= _FRESH_S:
                self._kept = (time.monotonic(), self._read())
            return self._kept[1]

    def _read(self) -> list[Metric]:
        is_up = GaugeMetricFamily("soi_database_up", "Whether the database answered when figures were asked for")
        try:
            with self._database.read() as session:
                found = [_family(figure, figure.read(session, utc_now())) for figure in FIGURES]
        except SQLAlchemyError:
            is_up.add_metric([], 0.0)
            return [is_up]
        is_up.add_metric([], 1.0)
        return [is_up, *found]


def _family(figure: Figure, rows: Rows) -> Metric:
    made = GaugeMetricFamily(figure.name, figure.help, labels=figure.labels)
    for labels, value in rows.items():
        made.add_metric(list(labels), value)
    return made


def registry_of(database: Database) -> CollectorRegistry:
    """The figures of one installation, apart from the process's own: tests run many apps in one process."""
    made = CollectorRegistry()
    made.register(Installation(database))
    return made


class RequestTimes:
    """Middleware that times every request of the API; pages and files of the screens count as one route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._known: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            self._of(scope, status).observe(time.perf_counter() - begun)

    def _of(self, scope: Scope, status: int) -> Histogram:
        key = (scope["method"], route_of(scope), status // 100)
        found = self._known.get(key)
        if found is None:
            method = key[0] if key[0] in _METHODS else "OTHER"
            found = self._known[key] = REQUEST_SECONDS.labels(method, key[1], f"{key[2]}xx")
        return found


def route_of(scope: Scope) -> str:
    """The template of the route that answered; what none answered has one name, whatever was asked for."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str) and path.startswith(("/v", "/healthz", "/readyz", "/metrics", "/login")):
        return path
    return "screens" if path is not None or scope.get("app_root_path") else "unmatched"
