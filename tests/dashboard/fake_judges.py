"""The recorded API's answers about inspectors: three people, one of each verdict, with repeats, mix-ups and ties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from backend.judges import schemas
from backend.judges.service import LIMITS, share
from review.rules.inspection import Rate

END = datetime(2026, 3, 20, 10, 0, tzinfo=UTC)
WINDOW = {"model": "pcb-inspection", "start": END - timedelta(days=30), "end": END}
PEOPLE = (
    ("user:u1", "An Nguyễn", 97, "acceptable"),
    ("user:u2", "Bình Lê", 88, "marginal"),
    ("person:outside", "outside", 71, "unacceptable"),
)


def counted(n: int = 300) -> schemas.Counted:
    return schemas.Counted(
        n_answers=n,
        n_judges=3 if n else 0,
        n_left_out=12 if n else 0,
        n_unusable=4,
        n_unsure=2 if n else 0,
        n_assisted=9 if n else 0,
        n_repeated=5 if n else 0,
        n_repeated_differing=1 if n else 0,
    )


def judged(n_hits: int, n: int, verdict: Any) -> schemas.JudgedShare:
    return schemas.JudgedShare(
        **share(Rate(n_hits, n)).model_dump(), verdict=verdict if n else None, is_sure=n_hits > 96
    )


def figures(n_right: int, verdict: Any, n: int = 100) -> dict[str, Any]:
    return {
        "n_answers": 100,
        "n_subjects": 90,
        "verdict": verdict if n else None,
        "effectiveness": judged(min(n_right, n), n, verdict),
        "miss": judged(0, 20 if n else 0, "acceptable"),
        "false_alarm": judged(4 if n else 0, 80 if n else 0, "acceptable"),
        "kappa": schemas.Statistic(value=0.91 if n else None, reason=None if n else "no pairs"),
        "detection": schemas.DetectionOut(d_prime=3.1, criterion=0.4) if n else None,
        "consistency": share(Rate(9, 10)),
        "speed": schemas.Speed(n=100, p10_ms=2100.0, median_ms=4300.0, p90_ms=12_500.0),
    }


def agreement(api: Any, request: httpx.Request) -> schemas.AttributeAgreement:
    visibility = {"admin": "named", "data_scientist": "anonymous"}.get(api.role, "team")
    rows = [
        schemas.JudgeRow(
            **figures(n_right, verdict),
            judge=judge if visibility == "named" or judge == "user:u1" else None,
            name=name if visibility == "named" or judge == "user:u1" else "ABC"[number],
            is_me=judge == "user:u1",
        )
        for number, (judge, name, n_right, verdict) in enumerate(PEOPLE)
        if visibility != "team" or (judge == "user:u1" and api.role == "inspector")
    ]
    has_standard = request.url.params["standard"] == "independent"
    between = schemas.Between(
        items="everyday",
        n_subjects=120,
        n_judges=3,
        agreement=share(Rate(100, 120)),
        right=share(Rate(30, 33)),
        alpha=schemas.Statistic(value=0.71, lower=0.64, upper=0.78),
    )
    return schemas.AttributeAgreement(
        **WINDOW,
        standard=request.url.params["standard"],
        visibility=visibility,
        limits=LIMITS,
        counted=counted(0 if api.is_empty else 300),
        n_with_standard=100 if has_standard else 0,
        team=None if api.is_empty else schemas.JudgeFigures(**figures(85, "marginal", 100 if has_standard else 0)),
        team_reason="no_answers" if api.is_empty else None,
        judges=[] if api.is_empty else rows,
        between=[] if api.is_empty else [between],
        capture=schemas.CaptureOut(
            n_first=42, n_second=38, n_both=33, n_shared=400, n_estimated=48.3, lower=47.3, upper=53.9, n_missed=1.3
        ),
    )


def inspector(api: Any, request: httpx.Request) -> schemas.InspectorPage:
    judge = request.url.params.get("judge") or "user:u1"
    return schemas.InspectorPage(
        **WINDOW,
        standard=request.url.params["standard"],
        counted=counted(0 if api.is_empty else 100),
        figures=schemas.JudgeRow(**figures(97, "acceptable"), judge=judge, name="An", is_me=judge == "user:u1"),
        limits=LIMITS,
        labels=["ok", "open", "short"],
        matrix=[[76, 3, 1], [0, 11, 1], [0, 0, 8]],
        assisted=share(Rate(8, 9)),
        assistance=schemas.AssistanceOut(
            n=9, first=share(Rate(7, 9)), final=share(Rate(8, 9)), bias=share(Rate(1, 2)), benefit=share(Rate(2, 2))
        ),
    )


def calibration(api: Any, _: httpx.Request) -> schemas.CalibrationSet:
    votes = [schemas.Vote(label="open", n=2), schemas.Vote(label="short", n=1)]
    example = schemas.CalibrationExample(subject_id="board-7", artifact="a" * 64, truth="open", votes=votes)
    may_see = api.role != "viewer"
    pair = schemas.CalibrationPair(
        a="open",
        b="short",
        are_kinds_apart=False,
        n_both=8,
        n_either=40,
        share=0.2,
        examples_a=[example] if may_see else [],
        examples_b=[],
        examples_open=[example.model_copy(update={"truth": None})] if may_see else [],
    )
    return schemas.CalibrationSet(
        **WINDOW,
        counted=counted(0 if api.is_empty else 300),
        n_subjects=0 if api.is_empty else 120,
        n_pairs=0 if api.is_empty else 3,
        are_examples_shown=may_see,
        pairs=[] if api.is_empty else [pair, pair.model_copy(update={"a": "ok", "are_kinds_apart": True})],
    )


def consensus(api: Any, request: httpx.Request) -> schemas.Consensus:
    item = schemas.ConsensusItem(
        subject_id="board-9",
        artifact="b" * 64,
        votes=[schemas.Vote(label="open", n=1), schemas.Vote(label="short", n=1)],
        majority=["open", "short"],
        likeliest="short",
        probability=0.83,
        truth=None,
    )
    ways = (("majority", 90, 99, 8), ("majority_first_label", 94, 107, 0), ("dawid_skene", 99, 107, 0))
    return schemas.Consensus(
        **WINDOW,
        standard=request.url.params["standard"],
        counted=counted(0 if api.is_empty else 300),
        n_subjects=0 if api.is_empty else 120,
        n_ties=8,
        n_different=11,
        methods=[
            schemas.ConsensusMethod(method=name, accuracy=share(Rate(k, n)), n_undecided=u) for name, k, n, u in ways
        ],
        fit=schemas.Fit(
            n_iterations=23, is_converged=True, right_prior=1.0, wrong_prior=0.1, label_prior=1.0, reason=None
        ),
        items=[item],
        next_cursor="board-9",
    )


ROUTES = (
    ("GET", "/v1/judges/agreement", agreement),
    ("GET", "/v1/judges/inspector", inspector),
    ("GET", "/v1/judges/calibration", calibration),
    ("GET", "/v1/judges/consensus", consensus),
)
