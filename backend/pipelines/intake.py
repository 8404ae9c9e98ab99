"""The OTLP door: exports of spans in, durable events out. HTTP shapes only; the checks live in db.eventlog."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from backend.auth.rules import Principal
from backend.errors import Invalid, Malformed, SoiError, TooLarge, Unavailable
from backend.pipelines import otlp
from backend.pipelines.mapping import Declared, Target, find_target, to_event
from backend.pipelines.otlp import Encoding
from backend.pipelines.span import Span
from db.base import utc_now
from db.eventlog.door import Checked, check_rows, refuse
from db.eventlog.log import EventLog, quarantine_row
from db.eventlog.pending import Outcome, Pending
from db.eventlog.problems import BodyProblem, LogUnavailable, Refusal, RowProblem, UnknownModel
from db.repositories import pipelines

#: Spans that are checked and committed together; bounds the memory of one export.
PORTION = 2_000
#: Of the spans that belong nowhere, this many of one export are kept readable; all are counted. An instrumented
#: service sends many spans that are no step, and they must not push everything else out of the quarantine.
KEPT_ORPHANS = 20
#: Exports that are unpacked in memory at once; further ones wait as they were sent.
UNPACKED = 2
#: A changed pipeline is known to this process after this time.
FRESH_S = 1.0
#: Reasons told in one answer.
_TOLD = 5
_ERRORS: dict[int, type[SoiError]] = {400: Malformed, 413: TooLarge, 422: Invalid}


@dataclass(frozen=True, slots=True)
class Export:
    """The body of one request; `pipeline` is what the request itself names."""

    body: bytes
    encoding: Encoding
    is_gzip: bool
    max_bytes: int
    pipeline: str | None = None

    def unpack(self) -> bytes:
        """The plain body, read through once so that it is known to be whole."""
        body = otlp.decompress(self.body, self.max_bytes) if self.is_gzip else self.body
        otlp.count_spans(body, self.encoding)
        return body


@dataclass(slots=True)
class Tally:
    """What became of an export: why spans were rejected, by reason, and how many of them are kept readable."""

    n_spans: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    n_kept: int = 0

    @property
    def n_rejected(self) -> int:
        return sum(self.reasons.values())

    def told(self) -> str:
        """The reasons in one line, most frequent first."""
        parts = [f"{n} x {reason}" for reason, n in self.reasons.most_common(_TOLD)]
        rest = len(self.reasons) - len(parts)
        return "; ".join(parts) + (f"; and {rest} further reasons" if rest > 0 else "")


class SpanDoor:
    """Takes exports for one event log. One per process, with few exports unpacked in memory at a time."""

    def __init__(self, eventlog: EventLog) -> None:
        self.eventlog = eventlog
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="otlp-parse")
        self._turn = asyncio.Semaphore(UNPACKED)
        self._known: tuple[float, list[Declared]] = (float("-inf"), [])

    async def take(self, export: Export, me: Principal) -> Tally:
        """Store the spans of an export; returns after they are on disk. Nothing is stored of a broken export."""
        try:
            async with self._turn:
                return await self._take(export, me)
        except LogUnavailable as error:
            raise Unavailable(str(error), retry_after_s=error.retry_after_s) from error
        except BodyProblem as problem:
            raise self.refusal(problem) from problem

    async def _take(self, export: Export, me: Principal) -> Tally:
        loop, tally = asyncio.get_running_loop(), Tally()
        body = await loop.run_in_executor(self._thread, export.unpack)
        declared = await loop.run_in_executor(self._thread, self._declared)
        spans = otlp.read_spans(body, export.encoding)
        while True:
            prepared = await loop.run_in_executor(
                self._thread, self._prepare, spans, me, declared, export.pipeline, tally
            )
            if prepared is None:
                return tally
            checked, pending = prepared
            _add_conflicts(tally, checked, await self.eventlog.wait_async(pending))

    def _declared(self) -> list[Declared]:
        at, known = self._known
        if time.monotonic() - at < FRESH_S:
            return known
        with self.eventlog.database.read() as session:
            found = [
                Declared(
                    chain.pipeline.name,
                    {step.name: step.model for step in chain.steps},
                    frozenset(chain.pipeline.services),
                    chain.pipeline.mapping,
                )
                for chain in pipelines.list_chains(session)
            ]
        self._known = (time.monotonic(), found)
        return found

    def _prepare(
        self, spans: Iterator[Span], me: Principal, declared: list[Declared], asked: str | None, tally: Tally
    ) -> tuple[list[Checked], Pending] | None:
        portion = list(islice(spans, PORTION))
        if not portion:
            return None
        visible = [one for one in declared if all(me.may_use_model(model) for model in one.steps.values())]
        orphans: list[Refusal] = []
        homes: dict[str, list[tuple[int, Span, Target]]] = {}
        for place, span in enumerate(portion, start=tally.n_spans):
            try:
                target = find_target(span, visible, asked)
                homes.setdefault(target.model, []).append((place, span, target))
            except RowProblem as problem:
                orphans.append(refuse(place, problem, span.told()))
        tally.n_spans += len(portion)
        checked = [self._check(model, items) for model, items in homes.items()]
        pending = self.eventlog.make_pending(checked, actor=me.actor)
        self._add_orphans(pending, orphans, me, tally)
        tally.reasons.update(refusal.message for item in checked for refusal in item.refusals)
        return checked, pending

    def _check(self, model: str, items: Iterable[tuple[int, Span, Target]]) -> Checked:
        """The events of one model's spans, held to the same rules as those that are logged directly."""
        try:
            spec = self.eventlog.models.by_name(model)
        except UnknownModel as error:  # it was removed a moment ago
            raise LogUnavailable(f"the model {error.name} is being changed") from error
        events: list[tuple[int, Any]] = []
        refusals: list[Refusal] = []
        for place, span, target in items:
            try:
                events.append((place, to_event(span, target, spec.output_kind)))
            except RowProblem as problem:
                refusals.append(refuse(place, problem, span.told()))
        checked = check_rows(events, spec, self.eventlog.limits, allow_nan=True)
        checked = self.eventlog.settle(checked, dict(events))
        checked.refusals = [*refusals, *checked.refusals]
        return checked

    def _add_orphans(self, pending: Pending, orphans: Sequence[Refusal], me: Principal, tally: Tally) -> None:
        now = utc_now()
        for refusal in orphans:
            tally.reasons[refusal.message] += 1
            pending.counts[("", refusal.code)] = pending.counts.get(("", refusal.code), 0) + 1
            if tally.n_kept < KEPT_ORPHANS:
                tally.n_kept += 1
                pending.quarantine.append(quarantine_row("", refusal, me.actor, now))

    def refusal(self, problem: BodyProblem) -> SoiError:
        """The answer to an export that is refused as a whole; it is counted, and nobody waits for that."""
        with contextlib.suppress(LogUnavailable):
            self.eventlog.submit(Pending([], counts={("", problem.code): 1}))
        return _ERRORS.get(problem.status, Invalid)(problem.message, code=problem.code)


def _add_conflicts(tally: Tally, checked: Sequence[Checked], outcome: Outcome) -> None:
    """Spans that were stored before with other content are rejected; equal ones are not, so a resend is a success."""
    parts = [item for item in checked if item.part is not None]
    for _, result in zip(parts, outcome.results, strict=True):
        if result.conflicts:
            tally.reasons["another span was stored under this trace and span id"] += len(result.conflicts)
