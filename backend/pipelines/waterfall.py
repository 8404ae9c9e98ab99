"""What the events of a trace mean together: starts, ends, parents, the answer of each step. Pure.

An event's `happened_at` is when its step began, its `latency_ms` how long the step took; one without latency is a
moment. A step's parent is the nearest earlier step of the pipeline that the trace has. Of several events of one step
the last that is no shadow is its answer; all of them are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from backend.pipelines.trace_schemas import SpanOut, TraceOut

Row = Mapping[str, Any]


def order_spans(steps: Sequence[tuple[str, str]], rows: Mapping[str, Sequence[Row]]) -> list[SpanOut]:
    """The spans of one trace by start; `steps` are (step, model) in order, `rows` the events of each step."""
    found = [(step, model, row) for step, model in steps for row in rows.get(step, ())]
    if not found:
        return []
    begun = min(row["happened_at"] for _, _, row in found)
    places = [step for step, _ in steps]
    present = {step for step, _, _ in found}
    answers = {step: answer["event_id"] for step in present if (answer := pick_answer(rows[step])) is not None}
    spans = []
    for step, model, row in found:
        earlier = [name for name in places[: places.index(step)] if name in present]
        spans.append(
            SpanOut(
                event_id=row["event_id"],
                step=step,
                model=model,
                version=row["version"],
                role=row["role"],
                parent=earlier[-1] if earlier else None,
                start_at=row["happened_at"],
                offset_ms=_ms(row["happened_at"] - begun),
                duration_ms=row["latency_ms"],
                status=row["status"],
                error=row["error"],
                prediction=row["prediction"],
                is_null_output=bool(row["is_null_output"]),
                score=row["score"],
                subject_id=row["subject_id"],
                is_answer=answers.get(step) == row["event_id"],
            )
        )
    return sorted(spans, key=lambda span: (span.start_at, places.index(span.step), span.event_id))


def pick_answer(rows: Sequence[Row]) -> Row | None:
    """The event that is a step's answer."""
    real = [row for row in rows if row["role"] != "shadow"]
    return max(real, key=lambda row: (row["happened_at"], row["event_id"]), default=None)


def sum_up(trace_id: str, steps: Sequence[str], spans: Sequence[SpanOut]) -> TraceOut:
    """A trace in one line. Shadow answers neither take time nor fail: nobody waited for them."""
    real = [span for span in spans if span.role != "shadow"] or list(spans)
    busy: dict[str, float] = {}
    for span in real:
        busy[span.step] = busy.get(span.step, 0.0) + (span.duration_ms or 0.0)
    answers = {span.step: span for span in spans if span.is_answer}
    end = answers.get(steps[-1])
    begun = min(span.start_at for span in real)
    return TraceOut(
        trace_id=trace_id,
        start_at=begun,
        duration_ms=_ms(max(_end(span) for span in real) - begun),
        busy_ms=sum(busy.values()),
        n_spans=len(spans),
        failed_steps=[step for step in steps if step in answers and answers[step].status != "ok"],
        null_steps=[step for step in steps if step in answers and answers[step].is_null_output],
        missing=[step for step in steps if step not in answers],
        slowest_step=max(busy, key=lambda step: busy[step], default=None),
        prediction=end.prediction if end else None,
        subject_id=next((span.subject_id for span in reversed(spans) if span.subject_id), None),
    )


def _end(span: SpanOut) -> datetime:
    return span.start_at + timedelta(milliseconds=span.duration_ms or 0.0)


def _ms(length: timedelta) -> float:
    return length / timedelta(milliseconds=1)
