"""/v1/performance: how good a model was by the time of its predictions, where it changed, and where it is worst."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from backend.deps import Me, Soi, allow, guarded_router
from backend.models.service import require_model
from backend.monitors.filters import parse_conditions, parse_segments
from backend.performance import finding, service
from backend.performance.metrics import MetricName
from backend.performance.schemas import Changes, Clock, Detector, LabelledRows, Performance, Slices
from backend.performance.slices import MIN_N
from backend.shapes import Moment
from db.analytics.outcomes import Question
from db.base import utc_now

router = guarded_router("/v1/performance", "aggregates:read")


class Asked:
    """What every route takes: model, window, filters, and the moment whose knowledge counts."""

    def __init__(
        self,
        me: Me,
        soi: Soi,
        model: Annotated[str, Query(min_length=1, max_length=100)],
        start: Moment,
        end: Moment,
        grain_s: Annotated[int | None, Query(ge=300)] = None,
        version: Annotated[str | None, Query(max_length=100)] = None,
        segment: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006
        where: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006
        as_of: Moment | None = None,
        clock: Clock = "logged",
    ) -> None:
        with soi.database.read() as session:
            found = require_model(session, me, model)
        self.wish = service.Wish(
            version=version,
            segments=parse_segments(segment),
            where=tuple(parse_conditions(where)),
            as_of=as_of,
            clock=clock,
        )
        self.question: Question = service.ask(found, start, end, grain_s, self.wish)


@router.get("")
def get_performance(
    soi: Soi,
    asked: Annotated[Asked, Depends()],
    metric: MetricName | None = None,
    min_coverage: Annotated[float, Query(ge=0, le=1)] = service.MIN_COVERAGE,
    revised_since: Moment | None = None,
    reference_start: Moment | None = None,
    reference_end: Moment | None = None,
) -> Performance:
    """Realised performance, the estimate from few reviews and the one without labels, with coverage and lag.

    `as_of` shows what was known then; `clock` says whether a label counts from when it was told to us or from when it
    was resolved. The reference is where confidence is calibrated; by default the time before the window.
    """
    reference = _reference(reference_start, reference_end, asked.question)
    wish = service.Wish(
        metric=metric,
        revised_since=revised_since,
        min_coverage=min_coverage,
        reference=reference,
    )
    return service.measure(soi.outcomes, asked.question, wish, utc_now())


@router.get("/changes")
def get_changes(soi: Soi, asked: Annotated[Asked, Depends()], detector: Detector = "adwin") -> Changes:
    """Changes of the error in the order of prediction time: when each began, when it was found, when it was known."""
    return finding.find_changes(soi.outcomes, asked.question, detector, utc_now())


@router.get("/slices")
def get_slices(
    soi: Soi,
    asked: Annotated[Asked, Depends()],
    max_q: Annotated[float, Query(gt=0, le=0.5)] = 0.05,
    min_n: Annotated[int, Query(ge=2, le=100_000)] = MIN_N,
) -> Slices:
    """Parts of the predictions, by one or two conditions, that are worse than the rest beyond chance."""
    return finding.find_slices(soi.outcomes, asked.question, max_q, min_n)


@router.get("/rows", dependencies=[Depends(allow("labels:read")), Depends(allow("events:read"))])
def get_rows(
    soi: Soi,
    asked: Annotated[Asked, Depends()],
    only_wrong: bool = True,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> LabelledRows:
    """Labelled predictions beside their labels, newest first; the wrong ones unless told otherwise."""
    return finding.list_rows(soi.outcomes, asked.question, only_wrong=only_wrong, limit=limit, cursor=cursor)


def _reference(start: datetime | None, end: datetime | None, question: Question) -> tuple[datetime, datetime] | None:
    if start is None and end is None:
        return None
    low = start or datetime.min.replace(year=1970, tzinfo=question.window.start.tzinfo)
    high = end or question.window.start
    service.check_reference(low, high)
    return low, high
