"""Puts both windows' traces, the truth and people's answers together and asks which step each change comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from backend.errors import Invalid
from backend.pipelines import outcomes
from backend.pipelines.blame import Blame, blame
from backend.pipelines.outcomes import Flags, Traces
from backend.pipelines.reading import answers_of, check_window, sources
from backend.pipelines.strata import Reals
from backend.pipelines.trace_schemas import BlameReport, EndChange, EndMeasure, ShareOut
from db.analytics.opinions import Opinions
from db.analytics.steps import step_cells
from db.analytics.windows import make_window
from db.eventlog.log import EventLog
from db.repositories.pipelines import Chain

#: Traces looked at in each window: enough to see a change of one percentage point, and quick.
MAX_TRACES = 5_000
#: Labels of the end result whose share is looked at: those that changed most.
MAX_LABELS = 4
#: A change of a share smaller than this is none; of the mean latency, this part of the reference.
MIN_SHARE_CHANGE = 0.01
MIN_LATENCY_CHANGE = 0.05


class _Question(NamedTuple):
    """One measure of the end result: what each trace adds to it, which traces count, and their weights."""

    measure: EndMeasure
    label: str | None
    rewards: tuple[Reals, ...]
    chosen: Flags | None = None
    weight: Reals | None = None


def find_blame(
    eventlog: EventLog,
    opinions: Opinions,
    chain: Chain,
    window: tuple[datetime, datetime],
    reference: tuple[datetime, datetime],
) -> BlameReport:
    """Every measure of the end result in two windows that do not overlap, each with the steps its change comes from."""
    check_window(*window)
    check_window(*reference)
    if window[0] < reference[1] and reference[0] < window[1]:
        raise Invalid("the reference overlaps the window it is compared with")
    every = sources(eventlog, chain)
    one_in = max(_one_in(eventlog, chain, *reference), _one_in(eventlog, chain, *window))
    before, now = (answers_of(eventlog, every, *part, one_in) for part in (reference, window))
    traces = outcomes.lay_out(before, now)
    features, given = outcomes.hand_overs(traces), outcomes.kinds(traces)
    last = chain.steps[-1]
    changes = []
    for question in _questions(traces, opinions, last.model_id, every[-1].spec.output_kind):
        pair = outcomes.periods(traces, features, given, question.rewards, question.chosen, question.weight)
        floor = MIN_SHARE_CHANGE
        if question.measure == "latency_mean":
            floor = MIN_LATENCY_CHANGE * (pair[0].mean_end or 0.0)
        found = blame(*pair, np.random.default_rng(7), min_change=floor)
        changes.append(_shape(question, found, [step.name for step in chain.steps]))
    return BlameReport(
        pipeline=chain.pipeline.name,
        start=window[0],
        end=window[1],
        reference_start=reference[0],
        reference_end=reference[1],
        n_reference=traces.n_reference,
        n_current=traces.n - traces.n_reference,
        one_in=one_in,
        changes=changes,
    )


def _one_in(eventlog: EventLog, chain: Chain, start: datetime, end: datetime) -> int:
    """How many traces stand behind one that is looked at, from the first step's roll-ups."""
    cells = step_cells(eventlog, chain.steps[0].model_id, make_window(start, end), ["requests"])
    n = int(np.sum(cells["n_events"].to_numpy())) if cells.num_rows else 0
    return max(1, math.ceil(n / MAX_TRACES))


def _questions(traces: Traces, opinions: Opinions, model_id: str, output_kind: str) -> Iterator[_Question]:
    yield _Question("no_answer_rate", None, (outcomes.no_answer(traces),))
    yield _Question("failed_rate", None, (outcomes.failed(traces),))
    said: tuple[tuple[EndMeasure, Any], ...] = (
        ("wrong_rate", opinions.truths(model_id)),
        ("disagreement_rate", opinions.people(model_id)),
    )
    for measure, table in said:
        labels: dict[str, str] = dict(zip(table["subject_id"].to_pylist(), table["label"].to_pylist(), strict=True))
        if labels:
            is_other, is_known = outcomes.differs(traces, labels)
            if is_known.any():
                weight = _weights(traces, opinions.chances(model_id))
                yield _Question(measure, None, (is_other,), is_known, weight)
    yield _Question("latency_mean", None, outcomes.latencies(traces))
    if output_kind == "label":
        for label in outcomes.common_labels(traces, MAX_LABELS):
            yield _Question("label_share", label, (outcomes.says(traces, label),))


def _weights(traces: Traces, chances: Mapping[str, float]) -> Reals:
    """One over the chance with which a trace's subject was chosen to be looked at: doubtful ones are chosen more."""
    return np.array([1 / chances.get(subject or "", 1.0) for subject in traces.subjects], dtype=np.float64)


def _shape(question: _Question, found: Blame, steps: list[str]) -> EndChange:
    whole = found.change if found.verdict in ("blamed", "cannot_tell") else None
    return EndChange(
        measure=question.measure,
        label=question.label,
        unit="ms" if question.measure == "latency_mean" else "share",
        verdict=found.verdict,
        reference=found.reference,
        current=found.current,
        change=found.change,
        low=found.low,
        high=found.high,
        n_reference=found.n_reference,
        n_current=found.n_current,
        n_needed=found.n_needed,
        shares=[
            ShareOut(
                step=step,
                change=share.change,
                low=share.low,
                high=share.high,
                share=share.change / whole if whole else None,
                unseen=share.unseen,
                is_blamed=share.is_blamed,
            )
            for step, share in zip([None, *steps], found.shares, strict=False)
        ],
    )
