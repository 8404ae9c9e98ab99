"""Answers requests with the champion or the version asked for, logs every answer before it leaves, and hands the rest
to shadows. Every way in (plain JSON, Open Inference Protocol over REST and gRPC) comes through here."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from backend.errors import Conflict, Invalid, NotFound, SoiError, Unavailable
from backend.inference.answers import Answer, BadInput, BadOutput
from backend.inference.gate import is_asked
from backend.inference.loaded import LoadedVersions
from backend.inference.loading import LoadFailed
from backend.inference.plan import Assigned, Plan, Plans, VersionRef
from backend.inference.remote import Late, Unreachable
from backend.inference.rows import Judged, as_error, event_row
from backend.inference.schemas import PredictBody, Prediction
from backend.inference.shadow import ShadowCall, ShadowRunner
from backend.inference.statistics import Statistics
from backend.inference.waiting import Waiting
from backend.inference.warming import Warming
from backend.inference.workers import Full, Workers
from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.base import new_id, utc_now
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.problems import LogUnavailable
from review.rules.levels import Level

#: Champion calls that run at once; more wait. torch computes outside the interpreter lock.
CHAMPION_THREADS = 4
#: Calls of a challenger that run at once, and wait. Its threads are its own: one that hangs holds no champion up.
CHALLENGER_THREADS, CHALLENGER_LIMIT = 2, 32
#: Requests for an upstream that may run and wait, for each that may run at once; more are told to come back.
WAITING_PER_CALL = 4
#: Reading a model file, and torch itself before the first one.
LOAD_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers a request. The role of a version that was asked for beside the champion is "canary": a challenger
    whose answer the caller gets. Where none was asked for by name, the shares of the rollout hold."""

    plan: Plan
    version: VersionRef
    role: Literal["champion", "canary"]
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One item, the version it was given to, and what became of that."""

    event_id: str
    body: PredictBody
    assigned: Assigned
    judged: Judged


@dataclass(frozen=True, slots=True)
class Served:
    """A prediction on its way out, and what the shadows need afterwards: `answer` is the champion's, where another
    version or nobody was asked there is none."""

    prediction: Prediction
    plan: Plan
    body: PredictBody
    answer: Answer | None = None


class Inference:
    """The loaded versions of one process."""

    def __init__(self, database: Database, artifacts: ArtifactStore, eventlog: EventLog, settings: Settings) -> None:
        self._artifacts = artifacts
        self._eventlog = eventlog
        self._settings = settings
        self._plans = Plans(database)
        self._guard = threading.Lock()
        self._workers: dict[str, Workers] = {}
        self.versions = LoadedVersions(artifacts, settings)
        self._warming = Warming(self.versions)
        self.waiting = Waiting(database)
        self.statistics = Statistics()
        self.shadows = ShadowRunner(database, size=settings.shadow_queue, deadline_s=settings.predict_timeout_s)

    def close(self) -> None:
        """Finish shadow calls and let the threads end."""
        self.shadows.close()
        self._warming.close()
        for workers in self._workers.values():
            workers.close()
        self.versions.close()

    async def predict(self, name: str, body: PredictBody) -> Served:
        """The answer to one thing, durably logged, or that a person decides. Raises SoiError; refusals and failures
        are logged too."""
        plan = await self.plan(name)
        if plan.champion is None and plan.is_for_people:
            [served] = await self._ask_people(plan, plan.level(body.segments), _with_ids([body]))
        else:
            [served] = await self.answer(await self.find(name), [body])
        return await self.wait(served)

    async def plan(self, name: str) -> Plan:
        """Who answers for a model; NotFound when there is none, Unavailable when it was taken off serving."""
        plan = self._plans.cached(name)
        if plan is None:
            plan = await asyncio.to_thread(self._plans.read, name)
            if plan is not None and plan.model.is_served:
                self._warming.see(plan)
        if plan is None:
            raise NotFound("there is no such model", details={"model": name})
        if not plan.model.is_served:
            raise Unavailable("this model was taken off serving: load it to put it back", code="unloaded")
        return plan

    async def find(self, name: str, version: str = "") -> Target:
        """Who answers for a model: its champion, or the version named. Raises SoiError when nobody does."""
        plan = await self.plan(name)
        if not version or (plan.champion is not None and version == plan.champion.name):
            if plan.champion is None:
                raise Conflict("no version answers for this model yet: make one champion", code="no_champion")
            return Target(plan, plan.champion, "champion", is_named=bool(version))
        found = await asyncio.to_thread(self._plans.version, plan.model, version)
        if found is None:
            raise NotFound("this model has no such version", details={"model": name, "version": version})
        return Target(plan, found, "canary", is_named=True)

    async def answer(self, target: Target, bodies: Sequence[PredictBody]) -> list[Served]:
        """The answers to the items of one request, durably logged; where the level of automation wants a person, that
        they are pending. All or none: when one item has no answer, the caller gets its error, and the events of all
        say that no answer left. Raises SoiError. The items share their segments, so that one level holds."""
        plan, bodies = target.plan, _with_ids(bodies)
        level = plan.level(bodies[0].segments) if target.role == "champion" else "full"
        if not is_asked(level) or target.version.kind == "human":
            return await self._ask_people(plan, level, bodies)
        happened_at = utc_now()
        calls, given_up = await self._ask(target, self._assign(target, level, bodies), bodies, happened_at)
        failed = next((place for place, one in enumerate(calls) if _is_failure(one.judged, level)), None)
        if failed is not None and len(calls) > 1:
            judged = _all_failed([one.judged for one in calls], failed)
            calls = [replace(one, judged=said) for one, said in zip(calls, judged, strict=True)]
        await self._log(plan, [_row(one, happened_at) for one in (*given_up, *calls)])
        if failed is not None:
            raise as_error(calls[failed].judged, calls[failed].event_id)
        if level == "full":
            predictions = {one.event_id: _prediction(one) for one in calls}
        else:
            predictions = await self._accept_or_ask(target, level, calls)
        return [
            Served(predictions[one.event_id], plan, one.body, one.judged.answer if _is_champion(one) else None)
            for one in calls
        ]

    async def wait(self, served: Served) -> Served:
        """With the person's decision, when it comes within the time that the request gives it."""
        if served.prediction.status != "pending" or not served.body.wait_s:
            return served
        decided = await self.waiting.wait(served.plan.model, served.prediction, served.body.wait_s)
        return replace(served, prediction=decided)

    async def look_up(self, name: str, answer_id: str, wait_s: float) -> Prediction:
        """What became of a request that a person answers, waiting for it up to `wait_s`."""
        model = (await self.plan(name)).model
        found = await asyncio.to_thread(self.waiting.read, model, answer_id)
        return await self.waiting.wait(model, found, wait_s)

    async def _accept_or_ask(self, target: Target, level: Level, calls: Sequence[Call]) -> dict[str, Prediction]:
        """By event id: the answers that may go out by themselves, and those that people are asked about."""
        plan = target.plan
        made, asked = {}, []
        for one in calls:
            if plan.accepts(one.judged.answer, one.body.segments):
                made[one.event_id] = _prediction(one)
            else:
                asked.append((one.event_id, one.body, one.judged))
        if asked:
            version = target.version.name
            opened = await asyncio.to_thread(self.waiting.open, plan.model, level, version, asked)
            made |= {one.id: one for one in opened}
        return made

    def _assign(self, target: Target, level: Level, bodies: Sequence[PredictBody]) -> list[Assigned]:
        """Who each item is given to. Shares hold where callers get answers by themselves and asked for no version. A
        challenger that is not loaded yet gets nothing until it is: the champion stands in for it."""
        alone = Assigned(target.version, target.role)
        if target.is_named or level != "full" or not target.plan.arms:
            return [alone] * len(bodies)
        found = []
        for body in bodies:
            one = target.plan.assign(target.version, str(body.subject_id), body.segments)
            if (
                one.role != "champion"
                and one.version not in self.versions
                and self.versions.why_not(one.version) is None
            ):
                self._warming.load_soon(one.version)
                one = alone
            found.append(one)
        return found

    async def _ask(
        self, target: Target, assigned: Sequence[Assigned], bodies: Sequence[PredictBody], happened_at: datetime
    ) -> tuple[list[Call], list[Call]]:
        """A call for each item, in order, and those of challengers that failed and for which the champion stood in."""
        calls = await self._ask_each(target.plan, assigned, bodies, happened_at)
        missing = [
            place for place, one in enumerate(calls)
            if one.assigned.version is not target.version and one.judged.answer is None
        ]  # fmt: skip
        if not missing:
            return calls, []
        given_up = [calls[place] for place in missing]
        alone = [Assigned(target.version, "champion")] * len(missing)
        again = await self._ask_each(target.plan, alone, [bodies[place] for place in missing], happened_at)
        for place, one in zip(missing, again, strict=True):
            calls[place] = one
        return calls, given_up

    async def _ask_each(
        self, plan: Plan, assigned: Sequence[Assigned], bodies: Sequence[PredictBody], happened_at: datetime
    ) -> list[Call]:
        """The items of each version together, the versions beside each other."""
        places: dict[str, list[int]] = {}
        for place, one in enumerate(assigned):
            places.setdefault(one.version.id, []).append(place)

        async def ask(mine: list[int]) -> list[tuple[int, Judged]]:
            first, started = assigned[mine[0]], time.perf_counter_ns()
            is_share = first.role != "champion" and first.probability is not None
            judged, queue_ns = await self._call(first.version, [bodies[place] for place in mine], apart=is_share)
            total_ns = time.perf_counter_ns() - started
            self.statistics.count(plan.model.name, first.version, judged, happened_at, total_ns, queue_ns)
            return list(zip(mine, judged, strict=True))

        found = await asyncio.gather(*map(ask, places.values())) if len(places) > 1 else [
            await ask(mine) for mine in places.values()
        ]  # fmt: skip
        judged = dict(pair for pairs in found for pair in pairs)
        return [
            Call(new_id(), body, one, judged[place])
            for place, (one, body) in enumerate(zip(assigned, bodies, strict=True))
        ]

    async def _ask_people(self, plan: Plan, level: Level, bodies: Sequence[PredictBody]) -> list[Served]:
        """No version is asked: people decide, and there is no event of a model."""
        items = [(new_id(), body, None) for body in bodies]
        opened = await asyncio.to_thread(self.waiting.open, plan.model, level, None, items)
        return [Served(one, plan, body) for one, body in zip(opened, bodies, strict=True)]

    async def refuse(self, target: Target, body: PredictBody, reason: str) -> SoiError:
        """Log a request that does not fit what the version takes; returns the error for its caller."""
        [body], judged, event_id, now = _with_ids([body]), Judged(None, 0.0, "rejected", reason), new_id(), utc_now()
        self.statistics.count(target.plan.model.name, target.version, [judged], now, 0, 0)
        await self._log(target.plan, [event_row(event_id, target.version, body, judged, now, role=target.role)])
        return as_error(judged, event_id)

    async def why_not_ready(self, version: VersionRef) -> str | None:
        """Why a version does not answer, after loading it where that was not done yet; None when it answers."""
        if version not in self.versions and self.versions.why_not(version) is None:
            await self._load_first(version, self._threads(version))
            if version not in self.versions:
                return self.versions.why_not(version) or f"it did not load within {LOAD_TIMEOUT_S:g} s"
        return self.versions.why_not(version)

    def forget_plans(self) -> None:
        """Read who answers for whom anew with the next request."""
        self._plans.forget()

    def run_shadows(self, served: Served) -> None:
        """Queue the challengers; called when the answer has left. None are asked where the champion did not answer."""
        if served.answer is None:
            return
        for shadow in served.plan.shadows:
            if shadow.wants(str(served.body.request_id), served.body.segments):
                self.shadows.offer(self._shadow_call(shadow.version, served))

    async def _log(self, plan: Plan, rows: list[dict[str, Any]]) -> None:
        """Returns when the events are on disk: what cannot be logged is not answered."""
        try:
            logged = await self._eventlog.log_rows_async(plan.model, rows)
        except LogUnavailable as error:
            raise Unavailable(str(error), retry_after_s=error.retry_after_s) from error
        if logged.refusals:
            refusal = logged.refusals[0]
            raise Invalid(refusal.message, code=refusal.code, details={"pointer": refusal.pointer})

    def _threads(self, version: VersionRef, *, apart: bool = False) -> Workers:
        """Versions in our memory share their threads, unless a share of a rollout is theirs; one that answers elsewhere
        has its own, which may all wait."""
        remote = version.signature.upstream if version.signature is not None and version.is_remote else None
        with self._guard:
            key = version.id if remote else f"apart:{version.id}" if apart else ""
            found = self._workers.get(key)
            if found is None:
                if remote is None and apart:
                    found = Workers(CHALLENGER_THREADS, f"challenger-{version.name}", limit=CHALLENGER_LIMIT)
                    self._workers[key] = found
                elif remote is None:
                    found = self._workers[""] = Workers(CHAMPION_THREADS, "predict")
                else:
                    limit = remote.concurrency * WAITING_PER_CALL
                    found = Workers(remote.concurrency, f"upstream-{version.name}", limit=limit)
                    self._workers[version.id] = found
            return found

    async def _call(
        self, version: VersionRef, bodies: Sequence[PredictBody], *, apart: bool
    ) -> tuple[list[Judged], int]:
        """What became of every item, and how long the request waited for a thread (nanoseconds)."""
        workers = self._threads(version, apart=apart)
        if version not in self.versions:
            await self._load_first(version, workers)
        is_given_up = threading.Event()
        asked = time.perf_counter_ns()
        begun = asked

        def judge_all() -> list[Judged]:
            nonlocal begun
            begun = time.perf_counter_ns()
            return [self._judge(version, body) for body in bodies if not is_given_up.is_set()]

        try:
            future = asyncio.wrap_future(workers.submit(judge_all))
        except Full as error:
            busy = f"the version is busy: {error}"
            return [Judged(None, 0.0, "error", busy, retry_after_s=1.0) for _ in bodies], 0
        try:
            return await asyncio.wait_for(future, self._settings.predict_timeout_s), begun - asked
        except TimeoutError:
            is_given_up.set()
            reason = f"no answer within {self._settings.predict_timeout_s:g} s"
            late = Judged(None, _ms_between(asked, time.perf_counter_ns()), "timeout", reason)
            return [late for _ in bodies], begun - asked

    async def _load_first(self, version: VersionRef, workers: Workers) -> None:
        """The first request waits for the file and for torch, before its deadline begins. `_judge` tells errors."""
        with contextlib.suppress(Exception):
            loading = asyncio.wrap_future(workers.submit(lambda: self.versions.load(version)))
            await asyncio.wait_for(loading, LOAD_TIMEOUT_S)

    def _judge(self, version: VersionRef, body: PredictBody) -> Judged:
        begun = built = computed = time.perf_counter_ns()
        answer, status, problem, retry_after_s = None, "ok", None, None
        try:
            loaded = self.versions.load(version)
            begun = built = computed = time.perf_counter_ns()
            pictures = [self._artifacts.get(sha256) for sha256 in body.artifacts[:2]]
            prepared = loaded.prepare(body.inputs, pictures, self._settings.max_image_pixels)
            built = computed = time.perf_counter_ns()
            raw = loaded.run(prepared)
            computed = time.perf_counter_ns()
            answer = loaded.read(raw)
        except FileNotFoundError:
            status, problem = "rejected", "an artifact of the request is not stored here"
        except BadInput as error:
            status, problem = "rejected", str(error)
        except (BadOutput, LoadFailed) as error:
            status, problem = "error", str(error)
        except Late as error:
            status, problem = "timeout", str(error)
        except Unreachable as error:
            status, problem, retry_after_s = "error", str(error), error.retry_after_s
        except Exception as error:  # noqa: BLE001 - model code may raise anything; it is logged with its reason
            status, problem = "error", f"the version failed: {str(error)[:300]}"
        done = time.perf_counter_ns()
        steps = (built - begun, computed - built, done - computed)
        return Judged(answer, _ms_between(begun, done), status, problem, steps, retry_after_s)

    def _shadow_call(self, version: VersionRef, served: Served) -> ShadowCall:
        champion = served.answer.prediction if served.answer is not None else None
        happened_at = utc_now()

        def store(judged: Judged) -> None:
            row = event_row(new_id(), version, served.body, judged, happened_at, role="shadow", champion=champion)
            self._eventlog.log_rows(served.plan.model, [row])

        def run() -> Callable[[], None]:
            judged = self._judge(version, served.body)
            return lambda: store(judged)

        def give_up(status: str, reason: str) -> None:
            store(Judged(None, self._settings.predict_timeout_s * 1000.0, status, reason))

        return ShadowCall(served.plan.model.name, version, run, give_up)


def _with_ids(bodies: Sequence[PredictBody]) -> list[PredictBody]:
    """Bodies that say which request and which subject they are."""
    made = []
    for body in bodies:
        request_id = body.request_id or new_id()
        made.append(body.model_copy(update={"request_id": request_id, "subject_id": body.subject_id or request_id}))
    return made


def _is_failure(judged: Judged, level: Level) -> bool:
    """Whether an item fails its request: it does not fit, or nothing answered and no person will."""
    return judged.answer is None and (level == "full" or judged.status == "rejected")


def _all_failed(judged: Sequence[Judged], failed: int) -> list[Judged]:
    """The items of a request of which one has no answer: none leaves, and each event says why."""
    cause = replace(judged[failed], error=f"item {failed}: {judged[failed].error}")
    others = replace(cause, error=f"not answered because of {cause.error}", steps_ns=(0, 0, 0))
    return [
        cause if place == failed else replace(others, latency_ms=one.latency_ms) if one.answer is not None else one
        for place, one in enumerate(judged)
    ]


def _is_champion(call: Call) -> bool:
    return call.assigned.role == "champion"


def _row(call: Call, happened_at: datetime) -> dict[str, Any]:
    one = call.assigned
    return event_row(
        call.event_id, one.version, call.body, call.judged, happened_at, role=one.role, probability=one.probability
    )


def _prediction(call: Call) -> Prediction:
    answer = call.judged.answer
    assert answer is not None
    return Prediction(
        id=call.event_id,
        subject_id=str(call.body.subject_id),
        version=call.assigned.version.name,
        prediction=answer.prediction,
        score=answer.score,
        scores=answer.scores,
        latency_ms=call.judged.latency_ms,
    )


def _ms_between(begun_ns: int, done_ns: int) -> float:
    return round((done_ns - begun_ns) / 1e6, 3)
