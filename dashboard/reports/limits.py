"""How a stretch of time counts in a report: well, in need of a look, or bad, by fixed limits. Alert rules watch over
the present and are changed by people; a report judges past days and weeks alike, so that they can be compared. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from pydantic import BaseModel

from backend.monitors.schemas import Figure, ModelSummary, State

Code = Literal["worse", "above_limit", "below_limit", "silent"]

#: Below this many events or pairs a rate says too little to complain about.
MIN_EVENTS: Final = 50
MIN_PAIRS: Final = 20


class Limit(NamedTuple):
    """A share above `warning` or `bad` is a complaint; `rise` is a worsening against the stretch before."""

    warning: float
    bad: float
    rise: float = 0.0


LIMITS: Final = {
    "error_rate": Limit(0.02, 0.10, 0.02),
    "null_output_rate": Limit(0.05, 0.20, 0.02),
    "missing_rate": Limit(0.10, 0.40, 0.05),
}
#: p95 latency this many times that of the stretch before.
SLOWER: Final = Limit(1.5, 3.0)
#: Agreement with people: the whole 95 % interval below these.
AGREEMENT: Final = Limit(0.90, 0.75)


class Complaint(BaseModel):
    """Why a model was not well: which measure, how bad, what it was and what it was before."""

    measure: str
    state: State
    code: Code
    value: float | None = None
    previous: float | None = None


class Look(ModelSummary):
    """A model's figures in a stretch of time, judged by the limits of this module."""

    reasons: list[Complaint]  # type: ignore[assignment]


def judge(summary: ModelSummary) -> Look:
    """The same figures with their state and the reasons for it, worst first."""
    has_events = bool(summary.events.n or summary.events.previous)
    found = [*_silence(summary), *_rates(summary), *_latency(summary), *_agreement(summary)] if has_events else []
    found.sort(key=lambda complaint: (complaint.state != "bad", complaint.measure))
    state = found[0].state if found else "ok" if has_events else "no_data"
    return Look(**summary.model_dump(exclude={"state", "reasons"}), state=state, reasons=found)


def _silence(summary: ModelSummary) -> list[Complaint]:
    events = summary.events
    if events.n or (events.previous or 0) < MIN_EVENTS:
        return []
    return [Complaint(measure="requests", state="bad", code="silent", value=0.0, previous=events.previous)]


def _rates(summary: ModelSummary) -> list[Complaint]:
    """The lower bound of the rate is what is compared, so that few events raise no complaint."""
    found = []
    for measure, limit in LIMITS.items():
        figure: Figure = getattr(summary, measure)
        if figure.n < MIN_EVENTS or figure.lower is None:
            continue
        if figure.lower > limit.warning:
            found.append(_complain(measure, figure, "above_limit", is_bad=figure.lower > limit.bad))
        elif figure.previous is not None and figure.lower - figure.previous > limit.rise:
            found.append(_complain(measure, figure, "worse", is_bad=False))
    return found


def _latency(summary: ModelSummary) -> list[Complaint]:
    figure = summary.latency_p95
    if figure.n < MIN_EVENTS or figure.value is None or not figure.previous:
        return []
    times = figure.value / figure.previous
    return [_complain("latency_p95", figure, "worse", is_bad=times >= SLOWER.bad)] if times >= SLOWER.warning else []


def _agreement(summary: ModelSummary) -> list[Complaint]:
    figure = summary.human_ai_agreement
    if figure.n < MIN_PAIRS or figure.upper is None or figure.upper >= AGREEMENT.warning:
        return []
    return [_complain("human_ai_agreement", figure, "below_limit", is_bad=figure.upper < AGREEMENT.bad)]


def _complain(measure: str, figure: Figure, code: Code, *, is_bad: bool) -> Complaint:
    state: State = "bad" if is_bad else "warning"
    return Complaint(measure=measure, state=state, code=code, value=figure.value, previous=figure.previous)
