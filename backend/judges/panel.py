"""People's answers of a window, sorted by what they may be used for. Read once, counted by the services beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from backend.errors import Invalid
from backend.judges import schemas
from backend.judges.schemas import Standard
from db.analytics.known import REVIEWED_METHODS
from db.repositories import judges as repository
from db.repositories.judges import JudgedAnswer
from review.rules.attribute import Answer

#: A longer window is no question about how people work now.
LONGEST = timedelta(days=400)


class Asked(NamedTuple):
    """Which model's people, when, and what they are held against."""

    model: Any
    start: datetime
    end: datetime
    standard: Standard = "independent"


@dataclass(frozen=True, slots=True)
class Panel:
    """Labels given blind, one per judge and subject (`everyday`, `gold`), answers to hidden `repeats`, labels given
    with the machine's answer in sight (`assisted`), and all blind answers with their times."""

    everyday: Sequence[JudgedAnswer]
    gold: Sequence[JudgedAnswer]
    repeats: Sequence[JudgedAnswer]
    assisted: Sequence[JudgedAnswer]
    timed: Sequence[JudgedAnswer]
    counted: schemas.Counted

    @property
    def blind(self) -> list[JudgedAnswer]:
        """Every blind label: everyday, gold and repeated items."""
        return [*self.everyday, *self.gold, *self.repeats]


def ask(model: Any, start: datetime, end: datetime, standard: Standard) -> Asked:
    """The question in checked form; Invalid when it makes no sense."""
    if not timedelta(0) < end - start <= LONGEST:
        raise Invalid(f"a window ends after its start and is at most {LONGEST.days} days long", code="unusable_window")
    return Asked(model, start, end, standard)


def read_panel(session: Session, asked: Asked, *, judge: str | None = None, limit: int | None = None) -> Panel:
    """The answers of everybody, or of one judge."""
    place = session, asked.model.id, asked.start, asked.end
    found = repository.load_answers(*place, judge=judge, limit=limit or repository.MAX_ANSWERS)
    rows = found.rows
    labelled = [row for row in rows if row.verb == "label" and row.label is not None]
    blind = [row for row in labelled if row.seen == "blind"]
    repeats = [row for row in blind if row.reason == "repeat"]
    gold, again = _newest(row for row in blind if row.reason == "gold")
    everyday, more = _newest(row for row in blind if row.reason not in ("gold", "repeat"))
    again += more
    return Panel(
        everyday=everyday,
        gold=gold,
        repeats=repeats,
        assisted=[row for row in labelled if row.seen != "blind"],
        timed=[row for row in rows if row.seen == "blind" and row.duration_ms is not None],
        counted=schemas.Counted(
            n_answers=len(rows),
            n_judges=len({row.judge for row in rows}),
            n_left_out=found.n_left_out,
            n_unusable=repository.count_unusable(*place, judge=judge),
            n_unsure=sum(row.verb == "unsure" for row in rows),
            n_assisted=sum(row.seen != "blind" for row in rows),
            n_repeated=len(again),
            n_repeated_differing=sum(again),
        ),
    )


def _newest(rows: Iterable[JudgedAnswer]) -> tuple[list[JudgedAnswer], list[bool]]:
    """The newest answer per judge and subject, and for each older one whether it had been different."""
    newest: dict[tuple[str, str], JudgedAnswer] = {}
    differs = []
    for row in rows:
        before = newest.get((row.judge, row.subject_id))
        if before is not None:
            differs.append(before.label != row.label)
        newest[row.judge, row.subject_id] = row
    return list(newest.values()), differs


def standard_of(row: JudgedAnswer, standard: Standard) -> str | None:
    """The label that a judge's answer is held against, or None.

    A consensus is none, because the judges made it themselves; neither is what this judge settled as a third person.
    """
    if row.truth_method not in REVIEWED_METHODS:
        return row.truth
    is_settled = row.truth_method == "adjudication" and row.truth_by != row.judge
    return row.truth if standard == "settled" and is_settled else None


def answers_of(rows: Iterable[JudgedAnswer], standard: Standard) -> list[Answer]:
    """The rows as the rules count them."""
    return [Answer(row.judge, row.subject_id, row.label or "", standard_of(row, standard)) for row in rows]


def defect_labels(model: Any) -> frozenset[str]:
    """The labels that an inspector must not miss."""
    return frozenset(item["name"] for item in model.labels or () if item.get("is_defect"))


def labels_of(model: Any, used: Iterable[str]) -> list[str]:
    """The model's labels in their order, then others that somebody used."""
    declared = [item["name"] for item in model.labels or ()]
    return [*declared, *sorted(set(used) - set(declared))]
