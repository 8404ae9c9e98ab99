"""The quick look over a busy log leaves out exactly what no lot picks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from backend.review_policies.situation import Situation
from backend.worker.picking import IN_GROWN_BIN, Picking
from db.repositories.review_policies import Timeline
from review.rules.budgets import hour_of
from review.rules.sampling import ReviewPolicy, unit

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def make_table(n: int, rng: np.random.Generator) -> pa.Table:
    """Nameless answers of three days, of all kinds."""
    at = [NOW - timedelta(minutes=float(m)) for m in rng.uniform(0, 3 * 24 * 60, n)]
    kinds = rng.choice(["champion", "champion", "champion", "shadow"], n)
    return pa.table(
        {
            "subject_id": pa.array([None] * n, pa.string()),
            "request_id": pa.array([f"r{k}" if k % 3 else None for k in range(n)]),
            "event_id": pa.array([f"e{k}" for k in range(n)]),
            "is_null_output": pa.array(rng.random(n) < 0.05),
            "score": pa.array([None if rng.random() < 0.1 else float(rng.random()) for _ in range(n)], pa.float64()),
            "role": pa.array(kinds),
            "status": pa.array(rng.choice(["ok", "ok", "ok", "error"], n)),
            "happened_at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "prediction": pa.array(rng.choice(["ok", "bad"], n)),
            "champion_prediction": pa.array(
                [str(rng.choice(["ok", "bad"])) if one == "shadow" else None for one in kinds], pa.string()
            ),
            IN_GROWN_BIN: pa.array(rng.random(n) < 0.1),
        }
    )


def test_what_is_kept_is_what_the_stored_rates_pick_row_by_row() -> None:
    old = ReviewPolicy.from_fields({"epsilon": 0.05, "seed": 1, "rates": {"low_confidence": 0.3, "alert": 0.5}})
    new = ReviewPolicy.from_fields(
        {"epsilon": 0.1, "seed": 2, "rates": {"drifted_bin": 0.6}, "budgets": {"low_confidence": 50}, "max_age_days": 2}
    )
    off = ReviewPolicy.from_fields({"is_enabled": False})
    changes = [NOW - timedelta(hours=30), NOW - timedelta(hours=5)]
    alerts = [(NOW - timedelta(hours=50), NOW - timedelta(hours=40))]
    hours = [hour_of(NOW - timedelta(hours=back)) for back in range(80)]
    hourly = {(new.id, hour): {"low_confidence": 0.2 + 0.01 * place} for place, hour in enumerate(hours)}
    picking = Picking(Timeline([old, new, off], changes), NOW, Situation(alerts), hourly)
    table = make_table(4_000, np.random.default_rng(7))
    kept = set(picking.keep_what_matters(table)["event_id"].to_pylist())
    expected = set()
    for row in table.to_pylist():
        policy = old if row["happened_at"] < changes[0] else new if row["happened_at"] < changes[1] else off
        is_shadow, pi = row["role"] == "shadow", policy.epsilon
        if not is_shadow and row["score"] is not None and row["score"] < 0.6:
            hour = hourly.get((policy.id, hour_of(row["happened_at"])), {})
            pi = max(pi, policy.rates.get("low_confidence", 0.0), hour.get("low_confidence", 0.0))
        if row[IN_GROWN_BIN]:
            pi = max(pi, policy.rates["drifted_bin"])
        if alerts[0][0] <= row["happened_at"] <= alerts[0][1]:
            pi = max(pi, policy.rates["alert"])
        is_late = row["happened_at"] < NOW - timedelta(days=policy.max_age_days)
        is_drawn = row["status"] == "ok" and policy is not off and not is_late
        key = row["request_id"] or row["event_id"]
        if is_shadow or row["is_null_output"] or (is_drawn and unit(policy.seed, key) < pi):
            expected.add(row["event_id"])
    assert kept == expected
    assert 0.2 < len(kept) / 4_000 < 0.8
