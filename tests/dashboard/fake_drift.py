"""The recorded API's answers about drift: one feature of each verdict over three days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from backend.drift import schemas

MODEL_FEATURES = ("in_brightness", "in_line speed", "score", "in_gain", "in_new")


def reference(made_at: datetime, *, number: int = 1, is_current: bool = True, **more: Any) -> schemas.ReferenceOut:
    fields = {
        "id": f"00000000-0000-7000-8000-00000000000{number}",
        "model": "pcb-inspection",
        "number": number,
        "name": "before the new lamp",
        "kind": "window",
        "is_current": is_current,
        "n_rows": 48_000,
        "features": list(MODEL_FEATURES[:4]),
        "notes": {"in_gain": "constant"},
        "left_out": [],
        "start": made_at - timedelta(days=14),
        "end": made_at,
        "weeks": None,
        "version": None,
        "state": "ready",
        "progress": 1.0,
        "counted_from_at": None,
        "created_by": "user:u1",
        "created_at": made_at,
    }
    return schemas.ReferenceOut(**fields | more)


def feature(name: str, verdict: str, reason: str | None = None, **more: Any) -> schemas.FeatureOut:
    nothing = dict.fromkeys(schemas.FeatureOut.model_fields)
    numbers = {
        "feature": name,
        "kind": "number",
        "verdict": verdict,
        "reason": reason,
        "n_reference": 48_000,
        "n_current": 5_120,
        "null_rate_reference": 0.001,
        "null_rate_current": 0.004,
        "p_value": 0.2,
        "p_adjusted": 0.3,
        "shift_sigma": 0.04,
        "visible_sigma": 0.09,
        "n_needed": 409,
        "psi": 0.011,
        "psi_critical": 0.0055,
        "js": 0.05,
        "hellinger": 0.05,
        "tvd": 0.06,
        "ks": 0.04,
        "ks_p": 0.0,
        "ks_is_exact": False,
        "wasserstein": 0.05,
        "chi_square_p": 0.2,
        "sigma": {"psi": 0.1, "ks": 0.1},
        "moved": [],
    }
    return schemas.FeatureOut(**nothing | numbers | more)


MOVED = schemas.BinOut(bin=0, text="", low=None, high=39.9, reference=0.1, current=0.4, part=0.77)
HARM = schemas.ConsequenceOut(
    verdict="harmful", n_inside=63, n_outside=79, error_inside=0.25, error_outside=0.01, low=0.1, high=0.35
)
FEATURES = [
    feature("in_brightness", "drifted", "shift", direction="down", shift_sigma=0.73, moved=[MOVED], consequence=HARM),
    feature("in_line speed", "negligible", "spread", moved=[MOVED]),
    feature("score", "ok"),
    feature("in_gain", "insufficient", "too_few_rows", n_current=12, shift_sigma=0.9),
    feature("in_new", "failed", "not_in_reference", n_current=0, n_reference=0, shift_sigma=None, visible_sigma=None),
]


def report(start: datetime, end: datetime, *, is_empty: bool, made_at: datetime) -> schemas.DriftReport:
    found = [one.model_copy(update={"n_current": 0}) for one in FEATURES] if is_empty else FEATURES
    return schemas.DriftReport(
        model="pcb-inspection",
        reference=reference(made_at),
        start=start,
        end=end,
        is_whole=not is_empty,
        alpha=0.001,
        alarms_per_month=1.0,
        floor_sigma=0.1,
        n_drifted=1,
        features=found,
    )


def series(start: datetime, end: datetime, made_at: datetime) -> schemas.DriftSeries:
    at = [start + timedelta(hours=6 * i) for i in range(12)]
    lines = [
        schemas.FeatureLine(
            feature=one.feature,
            verdict=[None if i == 4 else one.verdict for i in range(12)],
            shift_sigma=[None if i == 4 else 0.05 * i for i in range(12)],
            p_adjusted=[None if i == 4 else 0.2 for i in range(12)],
            n=[0 if i == 4 else 400 for i in range(12)],
        )
        for one in FEATURES[:4]
    ]
    return schemas.DriftSeries(
        model="pcb-inspection",
        reference=reference(made_at),
        start=start,
        end=end,
        grain_s=21_600,
        alpha=0.001,
        floor_sigma=0.1,
        bucket_at=at,
        features=lines,
    )


def detail(name: str, start: datetime, end: datetime, made_at: datetime) -> schemas.FeatureDetail:
    bars = [
        schemas.BinOut(bin=i, text="", low=30.0 + i, high=31.0 + i, reference=0.05, current=0.02 + 0.005 * i)
        for i in range(20)
    ]
    ends = [
        schemas.BinOut(bin=-1, text="", low=None, high=30.0, reference=0.0, current=0.01),
        schemas.BinOut(bin=21, text="null", low=None, high=None, reference=0.001, current=0.004),
    ]
    return schemas.FeatureDetail(
        model="pcb-inspection",
        reference=reference(made_at),
        start=start,
        end=end,
        feature=next(one for one in FEATURES if one.feature == name),
        bars=[ends[0], *bars, ends[1]],
        bins=[MOVED],
    )


def examples(name: str, at: datetime, *, is_empty: bool) -> schemas.Examples:
    rows = [
        schemas.Example(
            event_id=f"event-{i}",
            happened_at=at - timedelta(minutes=i),
            subject_id=f"board-{i}",
            version="v3",
            role="champion",
            prediction="short",
            score=0.4,
            value=36.1 + i,
        )
        for i in range(0 if is_empty else 5)
    ]
    return schemas.Examples(model="pcb-inspection", feature=name, bins=[0], rows=rows)
