"""What the recorded API says of automation: a model on "assist" whose gates are judged by the product's own rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from backend.automation import schemas
from review.rules.automation import decide, digest

POLICY: dict[str, Any] = {
    "alpha": 0.05,
    "window_days": 90,
    "recent_days": 7,
    "steps": [
        {"level": "assist", "promote": "click", "gates": [{"kind": "accuracy", "target": 0.85}]},
        {
            "level": "partial",
            "promote": "automatic",
            "gates": [
                {"kind": "accuracy", "target": 0.95},
                {"kind": "escape", "of": "passed", "limit": 0.03},
                {"kind": "non_inferiority", "margin": 0.05},
                {"kind": "audited_share", "minimum": 0.02},
                {"kind": "drift"},
                {"kind": "latency", "quantile": "p95", "limit_ms": 300.0},
            ],
        },
    ],
    "accept": {"limit": 0.05, "alpha": 0.05},
}


def evidence(at: datetime, *, n_right: int = 560, level: str = "assist") -> dict[str, Any]:
    """600 labels of 20,000 answers."""
    drawn = [
        {"pi": 0.03, "says_positive": False, "bin": 45, "n_drawn": 420, "n_labels": 420, "n_right": n_right - 160,
         "n_positive": 420 - (n_right - 160)},
        {"pi": 0.03, "says_positive": True, "bin": 48, "n_drawn": 180, "n_labels": 180, "n_right": 160,
         "n_positive": 160},
    ]  # fmt: skip
    items = [{"says_positive": False, "bin": 45, "n": 14_000}, {"says_positive": True, "bin": 48, "n": 6_000}]
    return {
        "as_of": at.isoformat(),
        "since": (at - timedelta(days=30)).isoformat(),
        "recent_since": (at - timedelta(days=7)).isoformat(),
        "version": "v2",
        "champion": "v2",
        "level": level,
        "segment": "",
        "rollout": 3,
        "counts": {"items": items, "drawn": drawn},
        "recent": {"items": [], "drawn": []},
        "labels_per_day": 20.0,
        "latency": {"p95": {"value_ms": 210.0, "n": 4000}},
        "drift": {"harmful": [], "unclear": ["brightness"], "n_features": 4},
        "block": None,
        "refused": {"no_chance": 12, "gold": 3, "strange": 1},
        "estimates": [
            {"method": "wilson", "value": 0.93, "lower": 0.91, "upper": 0.95, "n_labels": 600, "n_items": 0,
             "reason": None, "warnings": []},
            {"method": "ppi", "value": 0.93, "lower": 0.915, "upper": 0.945, "n_labels": 150, "n_items": 20_000,
             "reason": None, "warnings": ["few_labels"]},
        ],
    }  # fmt: skip


def verdict(at: datetime, **more: Any) -> schemas.VerdictOut:
    found = evidence(at, **more)
    said = decide(found, POLICY)
    return schemas.VerdictOut(
        id=7,
        segment="",
        policy_id=2,
        kind=said["kind"],
        level=found["level"],
        version="v2",
        evidence=found,
        policy=POLICY,
        verdict=said,
        sha256=digest([found, POLICY, said]),
        is_replayed=True,
        rollout_id=None,
        decided_at=at,
    )


def ladder(at: datetime, *, is_empty: bool = False, is_blocked: bool = False, **more: Any) -> schemas.Ladder:
    policy = schemas.PolicyOut(
        id=2, segment="", policy=POLICY, reason="as agreed", created_by="user:u1", created_by_name="An", created_at=at
    )
    block = schemas.BlockOut(
        id=1, segment="", reason="audit", created_by="user:u1", created_by_name="An", created_at=at
    )
    rung = schemas.Rung(
        segment="",
        level=more.get("level", "assist"),
        champion="v2",
        acceptance=None,
        rollout_id=3,
        policy=None if is_empty else policy,
        block=block if is_blocked else None,
        verdict=None if is_empty else verdict(at, **more),
    )
    return schemas.Ladder(model="pcb-inspection", segment_keys=["line"], has_positives=True, rungs=[rung])


def backtest(at: datetime, days: int) -> schemas.Backtest:
    kinds = ("none", "more_labels", "keep", "promote", "blocked", "step_back")
    keys = ("no_answers", "labels", "failing_accuracy", "passed", "blocked", "broken_escape")
    return schemas.Backtest(
        days=[
            schemas.BacktestDay(
                at=at - timedelta(days=days - place),
                level="assist",
                version="v2",
                kind=kinds[place % 6],
                key=keys[place % 6],
                to="partial",
                n_labels=10 * place,
                n_more=None,
                accuracy=0.93 if place else None,
                lower=0.9 if place else None,
                upper=0.96 if place else None,
            )
            for place in range(days)
        ],
        not_replayed=["drift"],
    )


def lines(at: datetime) -> list[schemas.VerdictLine]:
    return [
        schemas.VerdictLine(
            id=7 - place, segment="", kind=kind, level="assist", version="v2", key=key, to="partial", n_more=None,
            rollout_id=None, decided_at=at,
        )
        for place, (kind, key) in enumerate(
            (("keep", "failing_accuracy"), ("keep", "unknown_latency"), ("step_back", "broken_escape"), ("keep", "top"))
        )
    ]  # fmt: skip


def preview(at: datetime) -> schemas.RecallPreview:
    item = schemas.RecallItem(subject_id="b-1", event_id="e-1", happened_at=at, was="ok", score=0.51, chance_wrong=0.62)
    return schemas.RecallPreview(
        version="v1", start=at - timedelta(days=2), end=at, n_answers=900, n_judged=40, n_subjects=860,
        expected_wrong=33.4, method="calibrated", items=[item],
    )  # fmt: skip


def recall(at: datetime) -> schemas.RecallOut:
    return schemas.RecallOut(
        id=1, version="v1", segment="", window_start=at, window_end=at, n_answers=900, n_opened=190, n_raised=10,
        reason="smell", created_by="user:u1", created_by_name="An", created_at=at,
    )  # fmt: skip
