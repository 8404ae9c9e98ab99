"""Two judges of one model on the same subjects: loads both sides and counts them. Called by the comparisons slice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from db.analytics.answers import JudgedAnswers, latest_per_subject
from db.analytics.consensus import NoiseFloor
from db.analytics.judges import Judge
from db.analytics.pairs import (
    By,
    Side,
    Tally,
    add_up,
    create_small_pairs,
    each_part,
    list_disagreements,
    newest_first,
    tally,
    weigh,
)
from db.analytics.windows import Window
from db.eventlog.duck import open_duckdb
from db.repositories.comparisons import Seen

if TYPE_CHECKING:
    from db.eventlog.log import EventLog


class TooManyPairs(RuntimeError):
    """Two versions have more answers in the window than fit into memory at once."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared: two judges of a model in a window, within segments, by subject or by request."""

    model: Any
    a: Judge
    b: Judge
    window: Window
    segments: Mapping[str, str]
    by: By = "subject"
    seen: Seen = "blind"

    @property
    def segment_keys(self) -> tuple[str, ...]:
        """Segments are known where one judge is a version, because events carry them."""
        return tuple(self.model.segment_keys or ()) if self.a.is_version or self.b.is_version else ()

    @property
    def is_version_against_people(self) -> bool:
        """Whether which items are compared depends on how they were chosen for review."""
        people = {"people", "user", "person"}
        return self.a.is_version != self.b.is_version and bool({self.a.kind, self.b.kind} & people)


class Comparer:
    """Answers comparison questions from the decisions in SQL and the predictions in the event log."""

    def __init__(self, eventlog: EventLog, answers: JudgedAnswers) -> None:
        self._eventlog = eventlog
        self._answers = answers

    def count(self, question: Question) -> tuple[Tally, NoiseFloor]:
        """All counts of the comparison, and the agreement among people themselves."""
        keys, segments = question.segment_keys, question.segments
        with self._pairs(question, with_items=False) as (connection, parts, truths):
            counted = add_up(tally(connection, question.window, keys, segments, truths) for _ in parts)
            if question.is_version_against_people:
                chances = self._answers.opinions.chances(question.model.id)
                counted = replace(counted, weighed=weigh(connection, segments, chances))
        return counted, self._answers.opinions.floor(question.model.id, question.seen)

    def disagreements(
        self,
        question: Question,
        *,
        labels: tuple[str | None, str | None],
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> pa.Table:
        """Items on which the judges differ, newest first."""
        keys, segments = question.segment_keys, question.segments
        with self._pairs(question, with_items=True) as (connection, parts, truths):
            pages = [
                list_disagreements(connection, keys, segments, truths, labels=labels, after=after, limit=limit)
                for _ in parts
            ]
        return newest_first(pages, limit)

    @contextmanager
    def _pairs(self, question: Question, *, with_items: bool) -> Iterator[tuple[Any, Iterable[None], pa.Table]]:
        """A connection, the parts in which it has the relation `pairs` one after the other, and the truths."""
        window, model = question.window, question.model
        truths = self._answers.opinions.truths(model.id)
        sides = [None if judge.is_version else self._said(question, judge) for judge in _both(question)]
        if question.a.is_version and question.b.is_version:
            import duckdb

            with self._eventlog.connect(model.id, window.start, window.end) as connection:
                a, b, keys = question.a.name, question.b.name, question.segment_keys
                try:
                    yield connection, each_part(connection, a, b, question.by, keys, with_items=with_items), truths
                except duckdb.OutOfMemoryException as error:
                    raise TooManyPairs("too many answers for one comparison") from error
            return
        for index, judge in enumerate(_both(question)):
            if judge.is_version:
                other = sides[1 - index]
                assert other is not None
                sides[index] = self._answered(question, judge, other)
        side_a, side_b = sides
        assert side_a is not None
        assert side_b is not None
        place: Side = "a" if question.a.is_version else "b" if question.b.is_version else "neither"
        connection = open_duckdb()
        try:
            create_small_pairs(connection, side_a, side_b, place)
            yield connection, (None,), truths
        finally:
            connection.close()

    def _said(self, question: Question, judge: Judge) -> pa.Table:
        """What a judge that is no version said; the window bounds it when the other one is no version either."""
        opinions, model_id = self._answers.opinions, question.model.id
        if judge.kind == "truth":
            said = opinions.truths(model_id)
        elif judge.kind == "people":
            said = opinions.people(model_id, question.seen)
        else:
            said = opinions.judge(model_id, str(judge), "any" if judge.kind == "predictor" else question.seen)
        is_bounded = not (question.a.is_version or question.b.is_version)
        return _inside(said, question.window.start, question.window.end) if is_bounded else said

    def _answered(self, question: Question, judge: Judge, other: pa.Table) -> pa.Table:
        """The newest answer of a version about each subject that the other judge knows."""
        window = question.window
        subjects: list[Any] = other["subject_id"].to_pylist()
        answers = self._answers.find(question.model, subjects, window.start, window.end)
        return latest_per_subject(answers.filter(pc.equal(answers["version"], pa.scalar(judge.name))))


def _both(question: Question) -> tuple[Judge, Judge]:
    return question.a, question.b


def _inside(table: pa.Table, start: datetime, end: datetime) -> pa.Table:
    kind = pa.timestamp("us", tz="UTC")
    after = pc.greater_equal(table["at"], pa.scalar(start, kind))
    return table.filter(pc.and_(after, pc.less(table["at"], pa.scalar(end, kind))))
