"""When a model counts as well, in need of a look, or bad: fixed first rules until people write alert rules. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from db.analytics.overview import FigurePair, ModelFigures

State = Literal["ok", "warning", "bad", "no_data"]
Code = Literal["worse", "above_limit", "below_limit", "silent"]

#: Below this many events or pairs a rate says too little to complain about.
MIN_EVENTS = 50
MIN_PAIRS = 20


class Limit(NamedTuple):
    """A share above `warning` or `bad` is a complaint; `rise` is a worsening against the period before."""

    warning: float
    bad: float
    rise: float


LIMITS: dict[str, Limit] = {
    "error_rate": Limit(0.02, 0.10, 0.02),
    "null_output_rate": Limit(0.05, 0.20, 0.02),
    "missing_rate": Limit(0.10, 0.40, 0.05),
}
#: p95 latency this many times that of the period before.
SLOWER = Limit(1.5, 3.0, 0.0)
#: Agreement with people: the whole 95 % interval below these.
AGREEMENT = Limit(0.90, 0.75, 0.0)


class Complaint(NamedTuple):
    """Why a model is not well."""

    measure: str
    state: State
    code: Code
    value: float | None
    previous: float | None


def judge_model(figures: ModelFigures) -> tuple[State, list[Complaint]]:
    """The state of a model and the reasons, worst first."""
    events = figures.figures["events"]
    if not events.n and not events.previous:
        return "no_data", []
    found = [*_silence(events), *_rates(figures), *_latency(figures), *_agreement(figures)]
    found.sort(key=lambda complaint: (complaint.state != "bad", complaint.measure))
    return ("ok" if not found else found[0].state), found


def _silence(events: FigurePair) -> list[Complaint]:
    if not events.n and (events.previous or 0) >= MIN_EVENTS:
        return [Complaint("requests", "bad", "silent", 0.0, events.previous)]
    return []


def _rates(figures: ModelFigures) -> list[Complaint]:
    """The lower bound of the rate is what is compared, so that few events raise no alarm."""
    found = []
    for measure, limit in LIMITS.items():
        figure = figures.figures[measure]
        if figure.n < MIN_EVENTS or figure.lower is None or figure.value is None:
            continue
        if figure.lower > limit.warning:
            state: State = "bad" if figure.lower > limit.bad else "warning"
            found.append(Complaint(measure, state, "above_limit", figure.value, figure.previous))
        elif figure.previous is not None and figure.lower - figure.previous > limit.rise:
            found.append(Complaint(measure, "warning", "worse", figure.value, figure.previous))
    return found


def _latency(figures: ModelFigures) -> list[Complaint]:
    figure = figures.figures["latency_p95"]
    if figure.n < MIN_EVENTS or figure.value is None or not figure.previous:
        return []
    times = figure.value / figure.previous
    if times < SLOWER.warning:
        return []
    state: State = "bad" if times >= SLOWER.bad else "warning"
    return [Complaint("latency_p95", state, "worse", figure.value, figure.previous)]


def _agreement(figures: ModelFigures) -> list[Complaint]:
    figure = figures.figures["human_ai_agreement"]
    if figure.n < MIN_PAIRS or figure.upper is None or figure.upper >= AGREEMENT.warning:
        return []
    state: State = "bad" if figure.upper < AGREEMENT.bad else "warning"
    return [Complaint("human_ai_agreement", state, "below_limit", figure.value, figure.previous)]
