"""Predictions beside what became known of them: counted in DuckDB by the time of the prediction, so that the cost
follows the number of buckets. Called by the performance slice; every prediction that callers got counts once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from db.analytics.known import Knowledge
from db.analytics.rows import typed_filter
from db.analytics.windows import Window
from db.eventlog.filters import Filter, compile_filters, quote
from db.eventlog.schema import spec_of
from db.repositories.truth_history import Clock

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: Scores are counted in steps of one thousandth: the estimate without labels moves by less than 0.0005.
SCORE_STEPS = 1000
_SUBJECT = "coalesce(subject_id, request_id, event_id)"


@dataclass(frozen=True)
class Scoring:
    """What a model's scores say. `positives` are the labels that AUC, escape and overkill call positive.

    `meaning`: the event's `score` is the confidence in the answer given, or the probability of a positive.
    `has_one_negative`: all labels but one are positive, so the confidence bounds the probability of a positive.
    """

    positives: tuple[str, ...] = ()
    is_binary: bool = False
    has_one_negative: bool = False
    meaning: Literal["confidence", "positive"] = "confidence"

    @classmethod
    def of(cls, model: Any) -> Scoring:
        """From the model's labels and its settings under "performance" (positive_label, score)."""
        declared = dict((model.settings or {}).get("performance") or {})
        names = [item["name"] for item in model.labels or ()]
        defects = tuple(item["name"] for item in model.labels or () if item.get("is_defect"))
        named = declared.get("positive_label")
        positives = (str(named),) if named is not None else defects or (tuple(names[1:]) if len(names) == 2 else ())
        is_binary = len(names) == 2 or (not names and named is not None)
        meaning: Literal["confidence", "positive"] = "positive" if declared.get("score") == "positive" else "confidence"
        has_one_negative = bool(positives) and len(set(names) - set(positives)) == 1
        return cls(positives, is_binary, has_one_negative, meaning)

    def positive_sql(self) -> str:
        """The probability of a positive: from the scores per label, or from the score of the answer given.

        With several kinds of positives and one negative, a confidence s in a positive leaves the negative at most
        min(s, 1 - s): the positive's bound max(s, 1 - s) stands in, and calibration makes it a probability.
        """
        if not self.positives:
            return "NULL::DOUBLE"
        parts = [f"TRY_CAST(json_extract_string(scores, {_literal(_path(name))}) AS DOUBLE)" for name in self.positives]
        by_label = " + ".join(parts)
        if not self.is_binary and not self.has_one_negative:
            return f"({by_label})"
        said = f"prediction IN ({', '.join(map(_literal, self.positives))})"
        positive = "score" if self.is_binary else "greatest(score, 1 - score)"
        own = "score" if self.meaning == "positive" else f"CASE WHEN {said} THEN {positive} ELSE 1 - score END"
        return f"coalesce({by_label}, {own})"


@dataclass(frozen=True)
class Question:
    """Which predictions, and what was known of them when. `as_of` None: now."""

    model: Any
    window: Window
    version: str | None = None
    segments: Mapping[str, str] = field(default_factory=dict)
    where: tuple[Filter, ...] = ()
    as_of: datetime | None = None
    clock: Clock = "logged"


class Outcomes:
    """Answers questions about predictions and what became known of them."""

    def __init__(self, eventlog: EventLog, knowledge: Knowledge) -> None:
        self._eventlog = eventlog
        self.knowledge = knowledge

    @contextmanager
    def open(
        self, question: Question, *, start: datetime | None = None, end: datetime | None = None
    ) -> Iterator[Joined]:
        """The predictions of the window, or of [start, end) where one is given, joined with what was known."""
        model = question.model
        low = question.window.start if start is None and end is None else start
        high = question.window.end if end is None else end
        truths = self.knowledge.truths(model.id, question.as_of, question.clock)
        with self._eventlog.connect(model.id, low, high) as connection:
            connection.register("truths", truths)
            connection.register("reviews", self.knowledge.reviews(model.id, question.as_of, question.clock))
            condition, parameters = _condition(question)
            yield Joined(connection, question, Scoring.of(model), condition, parameters)


@dataclass(frozen=True)
class Joined:
    """Counts over the joined predictions; each method is one pass over the rows."""

    connection: Any
    question: Question
    scoring: Scoring
    condition: str
    parameters: list[Any]

    def coverage(self) -> pa.Table:
        """bucket, n, n_labels, w, n_unknown_labels, lag_p50_s, lag_p90_s: how many have a label, and how late it came.

        `w` is how many predictions the labels stand for.
        """
        names = [item["name"] for item in self.question.model.labels or ()]
        strange = f"truth NOT IN ({', '.join(map(_literal, names))})" if names else "false"
        lag = "greatest(0, epoch(first_known_at) - epoch(happened_at)) "
        return self._ask(
            "SELECT bucket, count(*) AS n, count(truth) AS n_labels, coalesce(sum(weight), 0) AS w, "
            f"count(*) FILTER (WHERE {strange}) AS n_unknown_labels, "
            f"quantile_cont({lag}, 0.5) FILTER (WHERE truth IS NOT NULL) AS lag_p50_s, "
            f"quantile_cont({lag}, 0.9) FILTER (WHERE truth IS NOT NULL) AS lag_p90_s FROM answers GROUP BY bucket"
        )

    def lag(self) -> tuple[float | None, float | None]:
        """Median and 90 % of the time from a prediction to its first label, over everything."""
        lag = "greatest(0, epoch(first_known_at) - epoch(happened_at))"
        found = self._ask(
            f"SELECT quantile_cont({lag}, 0.5) AS p50, quantile_cont({lag}, 0.9) AS p90 "
            "FROM answers WHERE truth IS NOT NULL"
        )
        return found["p50"][0].as_py(), found["p90"][0].as_py()

    def confusion(self) -> pa.Table:
        """bucket, label, truth, n, w, ww: labelled answers with their weights and squared weights."""
        return self._ask(
            "SELECT bucket, label, truth, count(*) AS n, sum(weight) AS w, sum(weight * weight) AS ww "
            "FROM answers WHERE truth IS NOT NULL GROUP BY ALL"
        )

    def numbers(self) -> pa.Table:
        """bucket, n, w, ww, and weighted sums of error, squared error, absolute error of labelled numeric answers."""
        return self._ask(
            "SELECT bucket, count(*) AS n, sum(weight) AS w, sum(weight * weight) AS ww, sum(weight * e) AS we, "
            "sum(weight * e * e) AS we2, sum(weight * abs(e)) AS wa FROM "
            "(SELECT bucket, weight, prediction_number - TRY_CAST(truth AS DOUBLE) AS e FROM answers "
            "WHERE truth IS NOT NULL) WHERE isfinite(e) GROUP BY bucket"
        )

    def scored(self) -> pa.Table:
        """bucket, score, positives, negatives, n: labelled answers, weighted, per probability of a positive."""
        is_positive = f"truth IN ({self._positives()})"
        return self._ask(
            f"SELECT bucket, p AS score, sum(CASE WHEN {is_positive} THEN weight ELSE 0 END) AS positives, "
            f"sum(CASE WHEN {is_positive} THEN 0 ELSE weight END) AS negatives, "
            "count(*) AS n FROM answers WHERE truth IS NOT NULL AND isfinite(p) GROUP BY bucket, p ORDER BY bucket, p"
        )

    def histogram(self, kind: Literal["positive", "confidence"]) -> pa.Table:
        """bucket, says_positive, step, n: all answers by score; step -1 holds scores that are no probabilities."""
        score = self._score(kind)
        return self._ask(
            f"SELECT bucket, label IN ({self._positives()}) AS says_positive, "
            f"CASE WHEN {score} BETWEEN 0 AND 1 THEN round({score} * {SCORE_STEPS})::INTEGER ELSE -1 END AS step, "
            f"count(*) AS n FROM answers WHERE isfinite({score}) GROUP BY ALL ORDER BY bucket, step"
        )

    def calibration(self, kind: Literal["positive", "confidence"], limit: int) -> pa.Table:
        """step, hits, n of the newest `limit` labelled answers per score; a hit is a positive, or a right answer."""
        score = self._score(kind)
        hit = f"truth IN ({self._positives()})" if kind == "positive" else "label = truth"
        return self._ask(
            "SELECT step, sum(weight * hit::INTEGER) AS hits, sum(weight) AS n, count(*) AS n_rows, "
            "min(happened_at) AS first_at, max(happened_at) AS last_at FROM "
            f"(SELECT round({score} * {SCORE_STEPS})::INTEGER AS step, {hit} AS hit, weight, happened_at FROM answers "
            f"WHERE truth IS NOT NULL AND {score} BETWEEN 0 AND 1 ORDER BY happened_at DESC LIMIT {int(limit)}) "
            "GROUP BY step ORDER BY step"
        )

    def reviewed(self) -> pa.Table:
        """bucket, subject, label, said, pi, p, score: answers about subjects that people judged blind.

        `said` is the label in force, which is what the people said where nothing else is known.
        """
        return self._ask(
            "SELECT bucket, subject, answers.label, truth AS said, reviews.pi, p, score "
            "FROM answers JOIN reviews ON subject = reviews.subject_id ORDER BY happened_at, event_id"
        )

    def stream(self, limit: int) -> pa.Table:
        """Labelled answers in the order of prediction: happened_at, known_at, subject, error, weight, is_reviewed."""
        error = (
            "abs(prediction_number - TRY_CAST(truth AS DOUBLE))"
            if self.is_number
            else "(label <> truth)::INTEGER::DOUBLE"
        )
        return self._ask(
            f"SELECT happened_at, known_at, subject, weight, is_reviewed, {error} AS error FROM answers "
            f"WHERE truth IS NOT NULL AND isfinite({error}) ORDER BY happened_at, event_id LIMIT {int(limit)}"
        )

    def labelled_rows(self, columns: Sequence[str], limit: int) -> pa.Table:
        """A repeatable sample of at most `limit` labelled answers: error, weight and some stored columns."""
        error = (
            "abs(prediction_number - TRY_CAST(truth AS DOUBLE))"
            if self.is_number
            else "(label <> truth)::INTEGER::DOUBLE"
        )
        listed = "".join(f", {quote(name)}" for name in columns)
        return self._ask(
            f"SELECT {error} AS error, weight{listed} FROM answers WHERE truth IS NOT NULL AND isfinite({error}) "
            f"ORDER BY md5(event_id) LIMIT {int(limit)}"
        )

    def rows(self, *, only_wrong: bool, limit: int, before: tuple[datetime, str] | None) -> pa.Table:
        """Labelled answers, newest first: what was said and what is true."""
        chosen = " AND label <> truth" if only_wrong and not self.is_number else ""
        extra: list[Any] = []
        if before is not None:
            chosen += " AND (happened_at < ? OR (happened_at = ? AND event_id < ?))"
            extra = [before[0], before[0], before[1]]
        segments = "".join(f", {quote('seg_' + key)}" for key in self.question.model.segment_keys or ())
        return self._ask(
            f"SELECT event_id, subject, happened_at, version, label, score, truth, method, known_at, "
            f"prediction_number - TRY_CAST(truth AS DOUBLE) AS error, artifacts[1] AS artifact{segments} "
            f"FROM answers WHERE truth IS NOT NULL{chosen} ORDER BY happened_at DESC, event_id DESC LIMIT {int(limit)}",
            extra,
        )

    @property
    def is_number(self) -> bool:
        return bool(self.question.model.output_kind == "number")

    def _positives(self) -> str:
        return ", ".join(map(_literal, self.scoring.positives)) or "NULL"

    def _score(self, kind: Literal["positive", "confidence"]) -> str:
        return "p" if kind == "positive" else "score"

    def _ask(self, query: str, extra: Sequence[Any] = ()) -> pa.Table:
        found: pa.Table = self._run(query, extra).to_arrow_table()
        return found

    def _run(self, query: str, extra: Sequence[Any] = ()) -> Any:
        window = self.question.window
        start_us, grain_us = int(window.start.timestamp()) * 1_000_000, window.grain_s * 1_000_000
        joined = f"""
            WITH said AS (
                SELECT *, {_SUBJECT} AS subject, {self.scoring.positive_sql()} AS p,
                       CASE WHEN is_null_output OR prediction IS NULL THEN '' ELSE prediction END AS label,
                       ((epoch_us(happened_at) - {start_us}) // {grain_us})::INTEGER AS bucket
                FROM events WHERE {self.condition}
            ), answers AS (
                SELECT said.*, truths.label AS truth, truths.method, truths.known_at, truths.first_known_at,
                       truths.weight, truths.is_reviewed
                FROM said LEFT JOIN truths ON said.subject = truths.subject_id
            ) {query}
        """
        return self.connection.sql(joined, params=[*self.parameters, *extra])


def _condition(question: Question) -> tuple[str, list[Any]]:
    """Successful answers that callers got (or a version's own, in whatever role), as known then."""
    spec = spec_of(question.model)
    filters = [*(typed_filter(spec, one) for one in question.where)]
    filters += [*(Filter("seg_" + key, "eq", value) for key, value in question.segments.items())]
    filters.append(Filter("status", "eq", "ok"))
    filters.append(
        Filter("role", "ne", "shadow") if question.version is None else Filter("version", "eq", question.version)
    )
    if question.as_of is not None and question.clock == "logged":
        filters.append(Filter("logged_at", "le", question.as_of))
    if question.as_of is not None:
        filters.append(Filter("happened_at", "le", question.as_of))
    return compile_filters(filters, spec.stored.names)


def check_conditions(question: Question) -> None:
    """Raise BadFilter when a condition names a column that the model does not have, or a value of another type."""
    _condition(question)


def _path(name: str) -> str:
    """The JSON path of a label; names hold neither quotes nor backslashes."""
    return f'$."{name}"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
