"""A version's answers beside how they were drawn and what people said of them, as known at several moments at once.

The rows behind the automation ladder: one pass over the log counts all answers, another finds those about drawn
subjects, so that a verdict of today costs as much as the verdicts of sixty past days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from db.analytics.known import Knowledge
from db.analytics.outcomes import Scoring
from db.eventlog.filters import Filter, compile_filters
from db.eventlog.schema import spec_of
from db.repositories import evidence, truth_history
from db.repositories.truth_history import Clock
from review.rules.evidence import BINS, NO_SCORE
from review.rules.queue import FILE_KINDS

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

_SUBJECT = "coalesce(subject_id, request_id, event_id)"
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """Answers that happened in [start, as_of) and were logged by then. `is_now`: what is known now counts."""

    start: datetime
    as_of: datetime
    is_now: bool = False


@dataclass(frozen=True)
class Answers:
    """All answers counted (`h`, `k`: places among the spans' starts and moments), and those about drawn subjects.

    Where people look at files and every drawn answer had one, answers without a file had no chance to be drawn:
    nothing is claimed of them. They are `unseen`, counted as the others are.
    """

    spans: Sequence[Span]
    starts: list[int]
    moments: list[int]
    counted: dict[str, Ints]
    unseen: dict[str, Ints]
    drawn: pa.Table

    def items(self, span: Span) -> dict[tuple[bool, int], int]:
        """How many answers of a span, by whether they call the item positive and by bin of confidence."""
        inside = self._inside(self.counted, span)
        found: dict[tuple[bool, int], int] = {}
        columns = (self.counted[name][inside].tolist() for name in ("says", "bin", "n"))
        for says, one_bin, n in zip(*columns, strict=True):
            key = (bool(says), int(one_bin))
            found[key] = found.get(key, 0) + int(n)
        return found

    def n_unseen(self, span: Span) -> int:
        """Answers of a span that nobody could look at."""
        return int(self.unseen["n"][self._inside(self.unseen, span)].sum())

    def _inside(self, counted: Mapping[str, Ints], span: Span) -> Flags:
        start, end = self.starts.index(_us(span.start)), self.moments.index(_us(span.as_of))
        inside: Flags = (counted["h"] > start) & (counted["k"] <= end)
        return inside

    def drawn_of(self, span: Span) -> list[dict[str, Any]]:
        """Answers of a span about subjects that had been drawn by then: subject, event_id, label, says, bin, pi."""
        start, end = _us(span.start), _us(span.as_of)
        columns = {name: self.drawn[name].to_pylist() for name in self.drawn.column_names}
        return [
            {name: columns[name][place] for name in ("subject", "event_id", "label", "says", "bin", "pi")}
            for place in range(self.drawn.num_rows)
            if start <= columns["happened"][place] < end
            and columns["known"][place] <= end
            and columns["drawn_at"][place] <= end
        ]


class Audited:
    """Finds the answers of one version and what was known of them."""

    def __init__(self, eventlog: EventLog, knowledge: Knowledge) -> None:
        self._eventlog, self._knowledge = eventlog, knowledge
        self.database = eventlog.database

    def answers(
        self, model: Any, version: str, segments: Mapping[str, str], spans: Sequence[Span], clock: Clock = "logged"
    ) -> Answers:
        """Everything that the spans need, in two passes over the log. Clock "resolved": whenever it was logged."""
        spec, scoring = spec_of(model), Scoring.of(model)
        filters = [Filter("version", "eq", version), Filter("status", "eq", "ok")]
        filters += [Filter("seg_" + key, "eq", value) for key, value in segments.items()]
        condition, parameters = compile_filters(filters, spec.stored.names)
        starts = sorted({_us(span.start) for span in spans})
        moments = sorted({_us(span.as_of) for span in spans})
        with self.database.read() as session:
            chosen = evidence.drawn_subjects(session, model.id)
        low, high = min(span.start for span in spans), max(span.as_of for span in spans)
        said = _placed(said_sql(scoring, condition), starts, moments, clock)
        with self._eventlog.connect(model.id, low, high) as connection:
            counts = connection.sql(
                f"WITH said AS ({said}) SELECT says::INTEGER AS says, bin, h, k, has_file::INTEGER AS has_file, "
                "count(*) AS n FROM said GROUP BY ALL",
                params=parameters,
            ).to_arrow_table()
            connection.register("chosen", chosen)
            drawn = connection.sql(
                f"WITH said AS ({said}) SELECT subject, event_id, label, says, bin, happened, known, has_file, pi, "
                "epoch_us(chosen.at) AS drawn_at FROM said JOIN chosen ON subject = chosen.subject_id "
                "ORDER BY happened, event_id",
                params=parameters,
            ).to_arrow_table()
        counted = {name: np.array(counts[name].to_pylist(), dtype=np.int64) for name in counts.column_names}
        needs_file = model.item_kind in FILE_KINDS and drawn.num_rows > 0 and all(drawn["has_file"].to_pylist())
        is_seen = (counted["has_file"] == 1) | (not needs_file)
        seen, unseen = ({name: column[which] for name, column in counted.items()} for which in (is_seen, ~is_seen))
        return Answers(spans, starts, moments, seen, unseen, drawn)

    def said(self, model_id: str, span: Span, clock: Clock = "logged") -> dict[str, str]:
        """The label in force of every subject that people judged blind, as known at the end of a span."""
        as_of = None if span.is_now else span.as_of
        reviews = self._knowledge.reviews(model_id, as_of, clock)
        truths = self._knowledge.truths(model_id, as_of, clock)
        judged = set(reviews["subject_id"].to_pylist())
        columns = (truths[name].to_pylist() for name in ("subject_id", "label"))
        return {subject: label for subject, label in zip(*columns, strict=True) if subject in judged}

    def pairs(self, model_id: str, span: Span, clock: Clock = "logged") -> dict[str, tuple[str, str]]:
        """The first two people's blind labels of subjects that two judged, as known at the end of a span."""
        with self.database.read() as session:
            rows = truth_history.reviews_as_known(session, model_id, None if span.is_now else span.as_of, clock)
        given: dict[str, list[tuple[Any, str, str]]] = {}
        columns = (rows[name].to_pylist() for name in ("subject_id", "at", "judge", "label"))
        for subject, at, judge, label in zip(*columns, strict=True):
            given.setdefault(subject, []).append((at, judge, label))
        pairs = {subject: sorted(answers)[:2] for subject, answers in given.items() if len(answers) > 1}
        return {subject: (two[0][2], two[1][2]) for subject, two in pairs.items()}


def said_sql(scoring: Scoring, condition: str) -> str:
    """A version's answers: subject, event_id, score, label, happened and logged (microseconds), has_file, says (calls
    the item positive) and bin of confidence."""
    positives = ", ".join("'" + name.replace("'", "''") + "'" for name in scoring.positives) or "NULL"
    confidence = "CASE WHEN says THEN score ELSE 1 - score END" if scoring.meaning == "positive" else "score"
    return f"""
        SELECT *, CASE WHEN ({confidence}) BETWEEN 0 AND 1 THEN floor(({confidence}) * {BINS} + 1e-9)::INTEGER
                       ELSE {NO_SCORE} END AS bin
        FROM (
            SELECT *, coalesce(label IN ({positives}), false) AS says FROM (
                SELECT {_SUBJECT} AS subject, event_id, score,
                       CASE WHEN is_null_output OR prediction IS NULL THEN '' ELSE prediction END AS label,
                       epoch_us(happened_at) AS happened, epoch_us(logged_at) AS logged,
                       coalesce(len(artifacts), 0) > 0 AS has_file
                FROM events WHERE {condition}
            )
        )
    """


def _placed(said: str, starts: list[int], moments: list[int], clock: Clock) -> str:
    """The answers with their places among starts and moments."""
    known = "greatest(happened, logged)" if clock == "logged" else "happened"
    h = " + ".join(f"(happened >= {start})::INTEGER" for start in starts)
    k = " + ".join(f"(known > {moment})::INTEGER" for moment in moments)
    return f"SELECT *, {h} AS h, {k} AS k FROM (SELECT *, {known} AS known FROM ({said}))"


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
