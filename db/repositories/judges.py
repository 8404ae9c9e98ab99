"""What people answered in a window, with what is needed to judge the judges: how, how fast, and the label in force.
Every read is bounded by the window and a limit, and says how much the limit left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from db.models.person import User
from db.models.review import Decision, GroundTruth, ReviewTask, Subject
from review.rules.queue import NOT_EVIDENCE

#: Answers read for one question, the newest: some 30 MB while they are counted.
MAX_ANSWERS = 50_000
#: Values in one IN list.
_CHUNK = 500


class JudgedAnswer(NamedTuple):
    """One answer in force of one person. `reason` is why the item was queued; `truth` the label in force now, with how
    it was found and by whom."""

    id: str
    subject_id: str
    judge: str
    label: str | None
    verb: str
    seen: str
    reason: str | None
    task_id: str | None
    duration_ms: int | None
    decided_at: datetime
    truth: str | None
    truth_method: str | None
    truth_by: str | None


@dataclass(frozen=True, slots=True)
class Answers:
    """The newest answers of a window in the order in which they were given; `n_left_out` older ones were not read."""

    rows: Sequence[JudgedAnswer]
    n_left_out: int


def load_answers(
    session: Session,
    model_id: str,
    start: datetime,
    end: datetime,
    *,
    judge: str | None = None,
    limit: int = MAX_ANSWERS,
) -> Answers:
    """People's answers that say something about those who gave them: one person's, or everybody's.

    In: blind answers that are evidence, answers to gold and repeated items (which measure people and nothing else),
    and answers given with the machine's in sight, told apart by `seen`. Out: superseded and late extra answers,
    adjudications, skips, outside predictors, and answers about items picked by hand.
    """
    chosen = _in_window(model_id, start, end, judge, _measures_people())
    query: Select[Any] = (
        select(
            Decision.id,
            Decision.subject_id,
            Decision.judge,
            Decision.label,
            Decision.verb,
            Decision.seen,
            Decision.details["task_reason"].as_string(),
            Decision.task_id,
            Decision.duration_ms,
            Decision.decided_at,
            GroundTruth.label,
            GroundTruth.method,
            GroundTruth.resolved_by,
        )
        .outerjoin(GroundTruth, _truth_of_decision())
        .where(*chosen)
        .order_by(Decision.decided_at.desc(), Decision.id.desc())
        .limit(limit)
    )
    rows = [JudgedAnswer(*row) for row in session.execute(query)]
    n = len(rows) if len(rows) < limit else session.scalars(select(func.count()).select_from(Decision).where(*chosen))
    n_all = n if isinstance(n, int) else n.one()
    return Answers(rows[::-1], n_all - len(rows))


def count_unusable(session: Session, model_id: str, start: datetime, end: datetime, *, judge: str | None = None) -> int:
    """People's answers of the window that were not read because they are no evidence about anybody."""
    chosen = _in_window(model_id, start, end, judge, ~_measures_people())
    return session.scalars(select(func.count()).select_from(Decision).where(*chosen)).one()


def first_answers(
    session: Session, model_id: str, repeated: Collection[tuple[str, str]], end: datetime
) -> dict[tuple[str, str], str]:
    """(judge, subject) -> what the judge said blind before an item came back to them: their earliest label in force."""
    judges, subjects = sorted({judge for judge, _ in repeated}), sorted({subject for _, subject in repeated})
    found: dict[tuple[str, str], str] = {}
    for chunk in _chunks(subjects):
        query = (
            select(Decision.judge, Decision.subject_id, Decision.label)
            .where(
                *_is_answer(),
                Decision.model_id == model_id,
                Decision.subject_id.in_(chunk),
                Decision.judge.in_(judges),
                Decision.verb == "label",
                Decision.seen == "blind",
                Decision.decided_at < end,
                func.coalesce(Decision.details["task_reason"].as_string(), "") != "repeat",
            )
            .order_by(Decision.decided_at, Decision.id)
        )
        for judge, subject, label in session.execute(query):
            found.setdefault((judge, subject), label or "")
    return {place: label for place, label in found.items() if place in repeated}


def machine_answers(session: Session, task_ids: Collection[str]) -> dict[str, str | None]:
    """Task -> the machine's answer that was shown with it."""
    found: dict[str, str | None] = {}
    for chunk in _chunks(sorted(task_ids)):
        query = select(ReviewTask.id, ReviewTask.answers).where(ReviewTask.id.in_(chunk))
        for task_id, answers in session.execute(query):
            if answers:
                found[task_id] = answers[0].get("prediction")
    return found


def names_of(session: Session, judges: Collection[str]) -> dict[str, str]:
    """Judge -> the person's name, for those who have an account here."""
    ids = {judge.removeprefix("user:") for judge in judges if judge.startswith("user:")}
    found: dict[str, str] = {}
    for chunk in _chunks(sorted(ids)):
        query = select(User.id, User.name).where(User.id.in_(chunk))
        found |= {f"user:{user_id}": name for user_id, name in session.execute(query)}
    return found


def pictures_of(session: Session, model_id: str, subject_ids: Collection[str]) -> dict[str, str | None]:
    """Subject -> the SHA-256 of its picture or sound, for the subjects that are known."""
    found: dict[str, str | None] = {}
    for chunk in _chunks(sorted(subject_ids)):
        query = select(Subject.subject_id, Subject.artifact_sha256).where(
            Subject.model_id == model_id, Subject.subject_id.in_(chunk)
        )
        for subject, artifact in session.execute(query):
            found[subject] = artifact
    return found


def _truth_of_decision() -> ColumnElement[bool]:
    return and_(
        GroundTruth.model_id == Decision.model_id,
        GroundTruth.subject_id == Decision.subject_id,
        GroundTruth.is_current,  # bare: "IS 1" would not match the partial index on SQLite
    )


def _in_window(
    model_id: str, start: datetime, end: datetime, judge: str | None, kind: ColumnElement[bool]
) -> list[ColumnElement[bool]]:
    chosen = [*_is_answer(), Decision.model_id == model_id, Decision.decided_at >= start, Decision.decided_at < end]
    return [*chosen, kind] if judge is None else [*chosen, kind, Decision.judge == judge]


def _is_answer() -> list[ColumnElement[bool]]:
    """Answers in force of people who judged, and did not settle what others had said."""
    return [
        Decision.superseded_by.is_(None),
        Decision.is_adjudication.is_(False),
        Decision.verb != "skip",
        Decision.judge.not_like("predictor:%"),
        func.coalesce(Decision.details["outcome"].as_string(), "") != "extra",
    ]


def _measures_people() -> ColumnElement[bool]:
    reason = func.coalesce(Decision.details["task_reason"].as_string(), "")
    return or_(Decision.is_evidence.is_(True), Decision.seen != "blind", reason.in_(sorted(NOT_EVIDENCE)))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), _CHUNK):
        yield values[first : first + _CHUNK]
