"""Answers predict requests with the champion, logs every answer before it leaves, and hands the rest to shadows."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cachetools import TTLCache

from backend.errors import Conflict, Invalid, NotFound, SoiError, Unavailable, UpstreamFailed, UpstreamTimeout
from backend.inference.answers import Answer, BadInput, BadOutput, build_input, read_output
from backend.inference.loading import LoadedVersion, LoadFailed
from backend.inference.plan import Plan, Plans, VersionRef
from backend.inference.schemas import PredictBody, Prediction
from backend.inference.shadow import ShadowCall, ShadowRunner
from backend.inference.workers import Workers
from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.base import new_id, utc_now
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.problems import LogUnavailable

#: Champion calls that run at once; more wait. torch computes outside the interpreter lock.
CHAMPION_THREADS = 4
#: Versions held in memory; the one that was loaded first goes when there are more.
MAX_LOADED = 16
#: Reading a model file, and torch itself before the first one.
LOAD_TIMEOUT_S = 60.0
#: A version that could not be loaded is not tried again before this.
RETRY_LOAD_S = 30.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One call of one version: an answer, or the status and reason why there is none."""

    answer: Answer | None
    latency_ms: float
    status: str = "ok"
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A prediction on its way out, and what the shadows need afterwards."""

    prediction: Prediction
    plan: Plan
    body: PredictBody


class Inference:
    """The loaded versions of one process."""

    def __init__(self, database: Database, artifacts: ArtifactStore, eventlog: EventLog, settings: Settings) -> None:
        self._artifacts = artifacts
        self._eventlog = eventlog
        self._settings = settings
        self._plans = Plans(database)
        self._loaded: dict[str, LoadedVersion] = {}
        self._failed: TTLCache[str, str] = TTLCache(maxsize=1_000, ttl=RETRY_LOAD_S)
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._workers: Workers | None = None
        self.shadows = ShadowRunner(database, size=settings.shadow_queue, deadline_s=settings.predict_timeout_s)

    def close(self) -> None:
        """Finish shadow calls and let the threads end."""
        self.shadows.close()
        if self._workers is not None:
            self._workers.close()

    async def predict(self, name: str, body: PredictBody) -> Served:
        """The champion's answer, durably logged. Raises SoiError; refusals and failures are logged too."""
        plan = self._plans.cached(name) or await asyncio.to_thread(self._plans.read, name)
        if plan is None:
            raise NotFound("there is no such model", details={"model": name})
        if plan.champion is None:
            raise Conflict("no version answers for this model yet: make one champion", code="no_champion")
        body = body.model_copy(update={"request_id": body.request_id or new_id()})
        body = body.model_copy(update={"subject_id": body.subject_id or body.request_id})
        happened_at = utc_now()
        judged = await self._call(plan.champion, body)
        event_id = new_id()
        row = _row(event_id, plan.champion, body, judged, happened_at, role="champion")
        await self._log(plan, row)
        if judged.answer is None:
            raise _as_error(judged, event_id)
        prediction = Prediction(
            id=event_id,
            subject_id=str(body.subject_id),
            version=plan.champion.name,
            prediction=judged.answer.prediction,
            score=judged.answer.score,
            scores=judged.answer.scores,
            latency_ms=judged.latency_ms,
        )
        return Served(prediction, plan, body)

    def run_shadows(self, served: Served) -> None:
        """Queue the challengers; called when the answer has left."""
        for shadow in served.plan.shadows:
            if shadow.wants(str(served.body.request_id), served.body.segments):
                self.shadows.offer(self._shadow_call(shadow.version, served))

    async def _log(self, plan: Plan, row: dict[str, Any]) -> None:
        """Returns when the event is on disk: what cannot be logged is not answered."""
        try:
            logged = await self._eventlog.log_rows_async(plan.model, [row])
        except LogUnavailable as error:
            raise Unavailable(str(error), retry_after_s=error.retry_after_s) from error
        if logged.refusals:
            refusal = logged.refusals[0]
            raise Invalid(refusal.message, code=refusal.code, details={"pointer": refusal.pointer})

    async def _call(self, version: VersionRef, body: PredictBody) -> Judged:
        with self._guard:
            if self._workers is None:
                self._workers = Workers(CHAMPION_THREADS, "predict")
        if version.id not in self._loaded:
            await self._load_first(version, self._workers)
        started = time.perf_counter()
        future = asyncio.wrap_future(self._workers.submit(lambda: self._judge(version, body)))
        try:
            return await asyncio.wait_for(future, self._settings.predict_timeout_s)
        except TimeoutError:
            limit_s = self._settings.predict_timeout_s
            return Judged(None, _ms_since(started), "timeout", f"no answer within {limit_s:g} s")

    async def _load_first(self, version: VersionRef, workers: Workers) -> None:
        """The first request waits for the file and for torch, before its deadline begins. `_judge` tells errors."""
        loading = asyncio.wrap_future(workers.submit(lambda: self._load(version)))
        with contextlib.suppress(Exception):
            await asyncio.wait_for(loading, LOAD_TIMEOUT_S)

    def _judge(self, version: VersionRef, body: PredictBody) -> Judged:
        started = time.perf_counter()
        try:
            loaded = self._load(version)
            started = time.perf_counter()
            pictures = [self._artifacts.get(sha256) for sha256 in body.artifacts[:2]]
            array = build_input(loaded.signature, body.inputs, pictures, self._settings.max_image_pixels)
            answer = read_output(loaded.signature, loaded.run(array))
        except FileNotFoundError:
            return Judged(None, _ms_since(started), "rejected", "an artifact of the request is not stored here")
        except BadInput as error:
            return Judged(None, _ms_since(started), "rejected", str(error))
        except (BadOutput, LoadFailed) as error:
            return Judged(None, _ms_since(started), "error", str(error))
        except Exception as error:  # noqa: BLE001 - model code may raise anything; it is logged with its reason
            return Judged(None, _ms_since(started), "error", f"the version failed: {str(error)[:300]}")
        return Judged(answer, _ms_since(started))

    def _load(self, version: VersionRef) -> LoadedVersion:
        """The version in memory, loaded once; callers of the same version wait for the first."""
        found = self._loaded.get(version.id)
        if found is not None:
            return found
        with self._guard:
            lock = self._locks.setdefault(version.id, threading.Lock())
        with lock:
            reason = self._failed.get(version.id)
            if reason is not None:
                raise LoadFailed(reason)
            loaded = self._loaded.get(version.id)
            if loaded is None:
                try:
                    loaded = self._loaded[version.id] = self._read(version)
                except LoadFailed as error:
                    self._failed[version.id] = str(error)
                    raise
        while len(self._loaded) > MAX_LOADED:
            self._loaded.pop(next(iter(self._loaded)), None)
        return loaded

    def _read(self, version: VersionRef) -> LoadedVersion:
        if version.signature is None or version.artifact_sha256 is None:
            raise LoadFailed(version.problem or f"a version of kind {version.kind!r} does not answer here")
        try:
            path = self._artifacts.path(version.artifact_sha256)
        except OSError as error:
            raise LoadFailed("its model file cannot be read") from error
        return LoadedVersion(path, version.kind, version.signature, threads=self._settings.torch_threads)

    def _shadow_call(self, version: VersionRef, served: Served) -> ShadowCall:
        champion = served.prediction.prediction
        happened_at = utc_now()

        def store(judged: Judged) -> None:
            row = _row(new_id(), version, served.body, judged, happened_at, role="shadow", champion=champion)
            self._eventlog.log_rows(served.plan.model, [row])

        def run() -> Callable[[], None]:
            judged = self._judge(version, served.body)
            return lambda: store(judged)

        def give_up(status: str, reason: str) -> None:
            store(Judged(None, self._settings.predict_timeout_s * 1000.0, status, reason))

        return ShadowCall(served.plan.model.name, version, run, give_up)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000.0, 3)


def _row(
    event_id: str,
    version: VersionRef,
    body: PredictBody,
    judged: Judged,
    happened_at: datetime,
    *,
    role: str,
    champion: str | float | None = None,
) -> dict[str, Any]:
    """The event as it would come over the wire."""
    answer = judged.answer
    row: dict[str, Any] = {
        "id": event_id,
        "version": version.name,
        "role": role,
        "happened_at": happened_at.isoformat(),
        "request_id": body.request_id,
        "subject_id": body.subject_id,
        "trace_id": body.trace_id,
        "step": body.step,
        "inputs": body.inputs,
        "prediction": answer.prediction if answer is not None else None,
        "score": answer.score if answer is not None else None,
        "scores": answer.scores if answer is not None else None,
        "latency_ms": judged.latency_ms,
        "status": judged.status,
        "error": judged.error,
        "champion_prediction": champion,
        "segments": body.segments,
        "artifacts": body.artifacts,
    }
    return {name: value for name, value in row.items() if value not in (None, {}, [])}


def _as_error(judged: Judged, event_id: str) -> SoiError:
    reason, details = judged.error or "the version gave no answer", {"event_id": event_id}
    if judged.status == "timeout":
        return UpstreamTimeout(reason, details=details)
    if judged.status == "rejected":
        return Invalid(reason, code="unusable_input", details=details)
    return UpstreamFailed(reason, code="version_failed", details=details)
