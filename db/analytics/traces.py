"""Reading events by trace: one row per trace and step for statistics, candidates for lists, and whole traces.

Shadow answers are never the answer of a step: callers did not get them. Of several other events of one step in one
trace the last one is the step's answer, and their latencies add up, because each retry took its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from db.eventlog.filters import quote
from db.eventlog.schema import ModelSpec

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: Later steps of a trace are looked for this long after the window in which its first step happened.
MARGIN = timedelta(hours=1)
#: Of one trace at most this many events of a step are read.
MAX_SPANS = 200

SPAN_COLUMNS = (
    "event_id",
    "trace_id",
    "version",
    "role",
    "happened_at",
    "latency_ms",
    "status",
    "error",
    "prediction",
    "is_null_output",
    "score",
    "subject_id",
)
Pick = Literal["newest", "slowest", "failed", "null"]
_ORDERS: dict[Pick, tuple[str, str]] = {
    "newest": ("true", "happened_at DESC"),
    "slowest": ("latency_ms IS NOT NULL", "latency_ms DESC"),
    "failed": ("status <> 'ok'", "happened_at DESC"),
    "null": ("is_null_output", "happened_at DESC"),
}


@dataclass(frozen=True, slots=True)
class StepSource:
    """Where a step's events are: the model, and the step name they carry. With `takes_unnamed` events that belong to
    a trace but name no step count too: the model stands for this step only."""

    name: str
    spec: ModelSpec
    takes_unnamed: bool

    @property
    def condition(self) -> str:
        """SQL that is true for the step's events; takes the parameter $step."""
        unnamed = " OR step IS NULL" if self.takes_unnamed else ""
        return f"trace_id IS NOT NULL AND (step = $step{unnamed})"


def read_answers(
    eventlog: EventLog,
    source: StepSource,
    start: datetime,
    end: datetime,
    *,
    one_in: int = 1,
    traces: pa.Array | None = None,
) -> pa.Table:
    """The step's answer in each trace: one row per trace, `latency_ms` being the sum over the step's events.

    `one_in` samples traces by a hash of their id, the same ones in every step; `traces` keeps only these.
    """
    columns = [name for name in source.spec.stored.names if _is_wanted(name)]
    picked = ", ".join("latency_sum AS latency_ms" if name == "latency_ms" else quote(name) for name in columns)
    inner = ", ".join(map(quote, dict.fromkeys([*columns, "event_id", "happened_at"])))
    known = "AND trace_id IN (SELECT trace_id FROM wanted_traces)" if traces is not None else ""
    sampled = f"AND hash(trace_id) % {int(one_in)} = 0" if one_in > 1 else ""
    query = f"""
        SELECT {picked} FROM (
            SELECT {inner}, sum(latency_ms) OVER (PARTITION BY trace_id) AS latency_sum,
                   row_number() OVER (PARTITION BY trace_id ORDER BY happened_at DESC, event_id DESC) AS place
            FROM events
            WHERE {source.condition} AND role <> 'shadow' AND happened_at >= $start AND happened_at < $end
                  {sampled} {known}
        ) WHERE place = 1
    """
    return _query(eventlog, source, start, end, query, traces)


def find_traces(
    eventlog: EventLog, source: StepSource, start: datetime, end: datetime, pick: Pick, limit: int
) -> pa.Table:
    """The first `limit` events of a step in an order: trace_id, happened_at, latency_ms."""
    condition, order = _ORDERS[pick]
    query = f"""
        SELECT trace_id, happened_at, latency_ms FROM events
        WHERE {source.condition} AND role <> 'shadow' AND happened_at >= $start AND happened_at < $end AND {condition}
        ORDER BY {order}, event_id LIMIT {int(limit)}
    """
    return _query(eventlog, source, start, end, query, None)


def read_spans(
    eventlog: EventLog, source: StepSource, start: datetime, end: datetime, traces: Sequence[str]
) -> list[dict[str, Any]]:
    """All events of a step in some traces, shadow ones too, oldest first; at most MAX_SPANS of each trace."""
    picked = ", ".join(SPAN_COLUMNS)
    query = f"""
        SELECT {picked} FROM events
        WHERE {source.condition} AND happened_at >= $start AND happened_at < $end
              AND trace_id IN (SELECT trace_id FROM wanted_traces)
        QUALIFY row_number() OVER (PARTITION BY trace_id ORDER BY happened_at, event_id) <= {MAX_SPANS}
        ORDER BY happened_at, event_id
    """
    found = _query(eventlog, source, start, end, query, pa.array(list(traces), pa.string()))
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def _query(
    eventlog: EventLog, source: StepSource, start: datetime, end: datetime, query: str, traces: pa.Array | None
) -> pa.Table:
    with eventlog.connect(source.spec.id, start, end) as connection:
        if traces is not None:
            connection.register("wanted_traces", pa.table({"trace_id": traces}))
        parameters = {"step": source.name, "start": start, "end": end}
        table: pa.Table = connection.sql(query, params=parameters).to_arrow_table()
    return table


_ANSWER_COLUMNS = frozenset(
    {
        "trace_id",
        "subject_id",
        "prediction",
        "prediction_number",
        "is_null_output",
        "score",
        "status",
        "latency_ms",
    }
)


def _is_wanted(name: str) -> bool:
    return name in _ANSWER_COLUMNS or name.startswith(("in_", "metric_"))
