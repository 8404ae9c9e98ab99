"""Comparisons over HTTP. The items behind them show the model's answers, so they need more than aggregates do."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from backend.auth.rules import Principal
from backend.comparisons import people, service
from backend.comparisons.schemas import Comparison, DisagreementPage, JudgeOut
from backend.deps import Me, Reader, Soi, allow, guarded_router
from backend.models.service import require_model
from backend.monitors.filters import parse_segments
from backend.services import Services
from backend.shapes import Moment
from db.analytics.comparing import Comparer
from db.analytics.pairs import By
from db.models.model import Model
from db.repositories.comparisons import Seen, list_judges
from db.repositories.model_versions import list_versions

router = guarded_router("/v1/comparisons", "aggregates:read")

_Judge = Annotated[str, Query(min_length=1, max_length=210)]
_Segments = Annotated[list[str], Query(max_length=20)]
_Label = Annotated[str | None, Query(max_length=1000)]


def _find(soi: Services, me: Principal, name: str, *judges: str) -> tuple[Model, list[str]]:
    """The model and the judges behind the asked ones, read in a session of their own: counting may take seconds and
    must not hold a second connection."""
    with soi.database.read() as session:
        model = require_model(session, me, name)
        return model, [people.find_judge(session, me, model.id, judge) for judge in judges]


@router.get("")
def get_comparison(
    me: Me,
    soi: Soi,
    model: str,
    a: _Judge,
    b: _Judge,
    start: Moment,
    end: Moment,
    segment: _Segments = [],  # noqa: B006
    by: By = "subject",
    seen: Seen = "blind",
    grain_s: Annotated[int | None, Query(ge=300)] = None,
) -> Comparison:
    """Agreement with interval, kappa and AC1, confusion matrix, over time, by segment, and who was right.

    Single people: oneself, for data scientists numbered inspectors, for administrators everybody.
    """
    found, (first, second) = _find(soi, me, model, a, b)
    segments = parse_segments(segment)
    question = service.ask(found, first, second, start, end, segments=segments, by=by, seen=seen, grain_s=grain_s)
    return service.compare(Comparer(soi.eventlog, soi.answers), question, a, b)


@router.get("/judges")
def get_judges(session: Reader, me: Me, model: str) -> list[JudgeOut]:
    """Everyone and everything that the caller can compare for a model."""
    found = require_model(session, me, model)
    versions = list_versions(session, found.id, limit=1000)
    judges = list_judges(session, found.id)
    n_people = sum(n for judge, _, n in judges if judge.startswith(people.PEOPLE))
    return service.list_judges(versions, people.list_people(session, me, found.id, judges), n_people)


@router.get("/disagreements", dependencies=[Depends(allow("labels:read"))])
def get_disagreements(
    me: Me,
    soi: Soi,
    model: str,
    a: _Judge,
    b: _Judge,
    start: Moment,
    end: Moment,
    segment: _Segments = [],  # noqa: B006
    by: By = "subject",
    seen: Seen = "blind",
    label_a: _Label = None,
    label_b: _Label = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> DisagreementPage:
    """Items on which the two differ, newest first."""
    found, (first, second) = _find(soi, me, model, a, b)
    question = service.ask(found, first, second, start, end, segments=parse_segments(segment), by=by, seen=seen)
    comparer = Comparer(soi.eventlog, soi.answers)
    return service.list_disagreements(comparer, question, labels=(label_a, label_b), cursor=cursor, limit=limit)
