"""/v1/judges: how good and how alike a model's people are, each one's own page, their consensus, what they mix up."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from backend.deps import Me, Reader, allow, guarded_router
from backend.judges import agreeing, service
from backend.judges.agreeing import Show
from backend.judges.panel import Asked, ask
from backend.judges.schemas import AttributeAgreement, CalibrationSet, Consensus, InspectorPage, Standard
from backend.models.service import require_model
from backend.shapes import Moment

router = guarded_router("/v1/judges", "aggregates:read")


def _asked(
    session: Reader,
    me: Me,
    model: Annotated[str, Query(min_length=1, max_length=100)],
    start: Moment,
    end: Moment,
    standard: Standard = "independent",
) -> Asked:
    return ask(require_model(session, me, model), start, end, standard)


Question = Annotated[Asked, Depends(_asked)]


@router.get("/agreement")
def get_agreement(session: Reader, me: Me, asked: Question) -> AttributeAgreement:
    """Attribute agreement: within, between and against the standard, with AIAG's verdicts.

    Administrators see names, data scientists letters, everybody else themselves and the team.
    """
    return service.measure_agreement(session, me, asked)


@router.get("/inspector")
def get_inspector(
    session: Reader, me: Me, asked: Question, judge: Annotated[str | None, Query(min_length=1, max_length=200)] = None
) -> InspectorPage:
    """One person's confusion matrix, speed and consistency: one's own, or anybody's for administrators."""
    return service.show_inspector(session, me, asked, judge or me.judge)


@router.get("/consensus", dependencies=[Depends(allow("labels:read"))])
def get_consensus(
    session: Reader,
    asked: Question,
    show: Show = "ties",
    after: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Consensus:
    """The plain majority beside Dawid and Skene's model, with ties listed; neither is preferred."""
    return agreeing.find_consensus(session, asked, show=show, after=after, limit=limit)


@router.get("/calibration")
def get_calibration(
    session: Reader,
    me: Me,
    asked: Question,
    n_pairs: Annotated[int, Query(ge=1, le=50)] = 5,
    n_examples: Annotated[int, Query(ge=1, le=20)] = 4,
) -> CalibrationSet:
    """The pairs of labels that people mix up most, with subjects that got both, for people to look at together."""
    return agreeing.find_calibration_set(
        session,
        asked,
        n_pairs=n_pairs,
        n_examples=n_examples,
        may_see_items=me.may("artifacts:read"),
        may_see_open=me.may("labels:read"),
    )
