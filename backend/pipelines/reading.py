"""Traces of a pipeline: lists of them, and one as a waterfall. Reads are bounded by a time window and by limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa

from backend.errors import Invalid, NotFound
from backend.pipelines.trace_schemas import Pick, TraceOut, TracePage, Waterfall
from backend.pipelines.waterfall import Row, order_spans, sum_up
from db.analytics import traces
from db.analytics.traces import MARGIN, MAX_SPANS, StepSource
from db.eventlog.log import EventLog
from db.repositories.pipelines import Chain

#: A list looks at this many events of each step for candidates; a trace that is slow only in sum of many quick steps
#: may be missed by a list of the slowest.
CANDIDATES = 500
#: Among this many of the newest traces those that were cut short are looked for.
LOOKED_THROUGH = 5_000
#: Looking a trace up reads the trace ids of the whole window.
MAX_WINDOW = timedelta(days=31)


def sources(eventlog: EventLog, chain: Chain) -> list[StepSource]:
    """Where the steps' events are, in order."""
    models = [step.model_id for step in chain.steps]
    return [
        StepSource(step.name, eventlog.models.by_id(step.model_id), models.count(step.model_id) == 1)
        for step in chain.steps
    ]


def check_window(start: datetime, end: datetime) -> None:
    """Raise Invalid for a window that is empty or too long to scan."""
    if end <= start:
        raise Invalid("the range ends before it begins")
    if end - start > MAX_WINDOW:
        raise Invalid(f"traces are looked for in at most {MAX_WINDOW.days} days", code="range_too_long")


def find_trace(eventlog: EventLog, chain: Chain, trace_id: str, start: datetime, end: datetime) -> Waterfall:
    """One trace by its id, with the spans that happened in the window (and an hour around it)."""
    check_window(start, end)
    rows = {
        source.name: traces.read_spans(eventlog, source, start - MARGIN, end + MARGIN, [trace_id])
        for source in sources(eventlog, chain)
    }
    spans = order_spans([(step.name, step.model) for step in chain.steps], rows)
    if not spans:
        raise NotFound("there is no such trace in this range", details={"trace_id": trace_id[:200]})
    return Waterfall(
        pipeline=chain.pipeline.name,
        trace=sum_up(trace_id, [step.name for step in chain.steps], spans),
        spans=spans,
        is_cut=any(len(found) >= MAX_SPANS for found in rows.values()),
    )


def list_traces(
    eventlog: EventLog,
    chain: Chain,
    start: datetime,
    end: datetime,
    *,
    pick: Pick,
    step: str | None,
    limit: int,
) -> TracePage:
    """Traces of the window: the newest, the slowest, the newest that failed, gave no answer or were cut short.

    With `step` only what happened at this step decides (for the slowest: its own time).
    """
    check_window(start, end)
    every = sources(eventlog, chain)
    asked = [source for source in every if step is None or source.name == step]
    if not asked:
        raise Invalid("the pipeline has no such step", details={"steps": [source.name for source in every]})
    if pick == "cut_short":
        ids = _cut_short(eventlog, every, step, start, end, limit)
    else:
        n = min(limit + 1, CANDIDATES) if pick == "newest" else CANDIDATES
        chosen = every[:1] if pick == "newest" and step is None else asked
        found = [traces.find_traces(eventlog, source, start, end, pick, n) for source in chosen]
        ids = list(dict.fromkeys(name for table in found for name in table["trace_id"].to_pylist()))
    whole = _complete(eventlog, chain, every, ids, start, end)
    whole = _sort(whole, pick)[:limit]
    is_by_time = pick == "newest" and len(ids) > limit
    return TracePage(
        pipeline=chain.pipeline.name, traces=whole, before=whole[-1].start_at if whole and is_by_time else None
    )


def _sort(found: list[TraceOut], pick: Pick) -> list[TraceOut]:
    if pick == "slowest":
        return sorted(found, key=lambda trace: (-trace.duration_ms, trace.trace_id))
    return sorted(found, key=lambda trace: (trace.start_at, trace.trace_id), reverse=True)


def _cut_short(
    eventlog: EventLog, every: Sequence[StepSource], step: str | None, start: datetime, end: datetime, limit: int
) -> list[str]:
    """The newest traces whose first step is there and whose last (or the asked) step is not."""
    last = next((source for source in every if source.name == step), every[-1])
    newest = traces.find_traces(eventlog, every[0], start, end, "newest", LOOKED_THROUGH)
    ids = newest["trace_id"].combine_chunks().unique()
    reached = traces.read_answers(eventlog, last, start - MARGIN, end + MARGIN, traces=ids)
    known = set(reached["trace_id"].to_pylist())
    return [name for name in ids.to_pylist() if name not in known][:limit]


def _complete(
    eventlog: EventLog,
    chain: Chain,
    every: Sequence[StepSource],
    ids: Sequence[str],
    start: datetime,
    end: datetime,
) -> list[TraceOut]:
    if not ids:
        return []
    rows: dict[str, dict[str, list[Row]]] = {name: {} for name in ids}
    for source in every:
        for row in traces.read_spans(eventlog, source, start - MARGIN, end + MARGIN, ids):
            rows[row["trace_id"]].setdefault(source.name, []).append(row)
    steps = [(step.name, step.model) for step in chain.steps]
    names = [name for name, _ in steps]
    return [sum_up(trace_id, names, spans) for trace_id, found in rows.items() if (spans := order_spans(steps, found))]


def answers_of(
    eventlog: EventLog, every: Sequence[StepSource], start: datetime, end: datetime, one_in: int
) -> list[pa.Table]:
    """The answers of every step in the traces whose first step happened in the window."""
    first = traces.read_answers(eventlog, every[0], start, end, one_in=one_in)
    ids = first["trace_id"].combine_chunks()
    later = [traces.read_answers(eventlog, source, start - MARGIN, end + MARGIN, traces=ids) for source in every[1:]]
    return [first, *later]
