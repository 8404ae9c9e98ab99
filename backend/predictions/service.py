"""The logging door: request bodies in, durable events out. HTTP shapes only; the checks live in db.eventlog."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from backend.auth.rules import Principal
from backend.errors import Invalid, Malformed, NotFound, SoiError, TooLarge, Unavailable
from backend.predictions.answers import bulk_answer, event_ids, refusal_error, single_answer
from backend.predictions.body import BodyKind
from db.eventlog.bulk import CheckedBody, check_arrow, check_json, check_ndjson
from db.eventlog.door import check_rows, inferable, parse_line, refuse
from db.eventlog.log import EventLog
from db.eventlog.pending import KeyedAnswer, Pending
from db.eventlog.problems import BodyProblem, KeyReused, LogUnavailable, RowProblem, UnknownModel
from db.eventlog.schema import ModelSpec

#: Bodies are parsed in this many threads; pyarrow releases the interpreter lock while it parses.
PARSE_THREADS = 2
#: A body up to this size is checked on the event loop: cheaper than a hop to a thread.
INLINE_BYTES = 64 * 1024
#: A database that hangs is reported within three seconds.
LOOKUP_TIMEOUT_S = 2.5
_BODY_ERRORS: dict[int, type[SoiError]] = {400: Malformed, 413: TooLarge, 422: Invalid}

Answer = tuple[int, bytes]


class LoggingDoor:
    """Takes request bodies for one event log. One per process."""

    def __init__(self, eventlog: EventLog, max_body_bytes: int) -> None:
        self.eventlog = eventlog
        self.max_body_bytes = max_body_bytes
        self._threads = ThreadPoolExecutor(PARSE_THREADS, thread_name_prefix="eventlog-parse")

    async def log(
        self,
        body: bytes,
        kind: BodyKind,
        me: Principal,
        *,
        model: str | None,
        key: str | None,
        with_ids: bool = False,
    ) -> Answer:
        """Store the events of a body; returns status and JSON after they are on disk."""
        try:
            if kind == "json" and body[:64].lstrip()[:1] == b"{":
                return await self._log_one(body, me, model, _keyed(key, me, body, model))
            return await self._log_bulk(body, kind, me, model, _keyed(key, me, body, model), with_ids)
        except UnknownModel as error:
            raise NotFound("there is no such model", details={"model": error.name[:200]}) from error
        except LogUnavailable as error:
            raise Unavailable(str(error), retry_after_s=error.retry_after_s) from error
        except KeyReused as error:
            raise Invalid(str(error), code="idempotency_key_reused") from error
        except BodyProblem as problem:
            self.count("", problem.code)
            raise _BODY_ERRORS.get(problem.status, Invalid)(problem.message, code=problem.code) from problem

    async def _log_one(self, body: bytes, me: Principal, model: str | None, keyed: tuple[str, str] | None) -> Answer:
        try:
            event = parse_line(body, self.eventlog.limits)
        except RowProblem as problem:
            self.count(model or "", problem.code)
            raise refusal_error(refuse(0, problem, "")) from problem
        name = model if model is not None else event.get("model")
        if not isinstance(name, str):
            self.count("", "missing_field")
            raise Invalid(
                "name the model, in the event or as ?model=", code="missing_field", details={"pointer": "/model"}
            )
        spec = await self._spec(name, me)
        checked = check_rows([(0, event)], spec, self.eventlog.limits)
        if checked.unknown and inferable(checked.unknown, spec):
            checked = await asyncio.to_thread(self.eventlog.settle, checked, {0: event})
        pending = self.eventlog.make_pending([checked], actor=me.actor, n_bytes=len(body))
        if checked.part is None:
            await self.eventlog.wait_async(pending)
            raise refusal_error(checked.refusals[0])
        event_id = event_ids(checked)[0]
        if keyed is not None:
            pending.keyed = KeyedAnswer(*keyed, lambda results: _text(single_answer(event_id, results[0])))
        outcome = await self.eventlog.wait_async(pending)
        if outcome.replay is not None:
            return outcome.replay[0], outcome.replay[1].encode()
        return single_answer(event_id, outcome.results[0])

    async def _log_bulk(
        self,
        body: bytes,
        kind: BodyKind,
        me: Principal,
        model: str | None,
        keyed: tuple[str, str] | None,
        with_ids: bool,
    ) -> Answer:
        if model is not None:
            await self._spec(model, me)
        loop = asyncio.get_running_loop()
        checked, pending = await loop.run_in_executor(self._threads, self._prepare, body, kind, me, model)

        def answer(results: list[Any]) -> Answer:
            return bulk_answer(checked.n, checked.models, results, checked.orphans, with_ids=with_ids)

        if keyed is not None:
            pending.keyed = KeyedAnswer(*keyed, lambda results: _text(answer(results)))
        outcome = await self.eventlog.wait_async(pending)
        if outcome.replay is not None:
            return outcome.replay[0], outcome.replay[1].encode()
        return answer(outcome.results)

    def _prepare(self, body: bytes, kind: BodyKind, me: Principal, model: str | None) -> tuple[CheckedBody, Pending]:
        def find_spec(name: str) -> ModelSpec:
            if not me.may_use_model(name):
                raise UnknownModel(name)
            return self.eventlog.models.by_name(name)

        log = self.eventlog
        if kind == "ndjson":
            checked = check_ndjson(body, model, find_spec, log.limits, log.settle, log.hints)
        elif kind == "json":
            checked = check_json(body, model, find_spec, log.limits, log.settle, self.max_body_bytes)
        else:
            checked = check_arrow(body, model, find_spec, log.limits, log.models.extend)
        pending = log.make_pending(checked.models, actor=me.actor, n_bytes=len(body))
        log.add_orphans(pending, checked.orphans, actor=me.actor)
        return checked, pending

    async def _spec(self, name: str, me: Principal) -> ModelSpec:
        if not me.may_use_model(name):
            raise UnknownModel(name)
        fresh = self.eventlog.models.fresh(name)
        if fresh is not None:
            return fresh
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                return await asyncio.to_thread(self.eventlog.models.by_name, name)
        except TimeoutError:
            raise LogUnavailable("the database did not answer in time") from None

    def count(self, model: str, reason: str) -> None:
        """Count a body that was refused as a whole; nobody waits for it."""
        try:
            self.eventlog.submit(Pending([], counts={(model, reason): 1}))
        except LogUnavailable:
            return

    def close(self) -> None:
        self._threads.shutdown(wait=False)


def _keyed(key: str | None, me: Principal, body: bytes, model: str | None) -> tuple[str, str] | None:
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise Invalid("an Idempotency-Key has 1 to 255 characters", code="bad_idempotency_key")
    scoped = hashlib.sha256(f"{me.actor}\0{key}".encode()).hexdigest()
    digest = hashlib.sha256(f"{model or ''}\0".encode() + body).hexdigest()
    return scoped, digest


def _text(answer: Answer) -> tuple[int, str]:
    return answer[0], answer[1].decode()
