"""Roll-ups against counting by hand, and the error of the latency histogram."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from db.eventlog.columns import from_rows
from db.eventlog.histogram import RELATIVE_ERROR, bucket_of, decode, encode, merge, quantile, value_of
from db.eventlog.rollup import GRAINS_S, MAX_KEYS, OTHER, merge_cells, summarise
from db.eventlog.schema import InputField, ModelSpec
from tests.eventlog.conftest import START

SPEC = ModelSpec(
    "1", "m", inputs=(InputField("a", "number"), InputField("c", "string")), segment_keys=("line", "shift")
)


def events(n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    made = []
    for place in range(n):
        at = START + timedelta(seconds=float(rng.uniform(0, 100_000)))
        row = {
            "event_id": f"{seed}-{place}",
            "version": str(rng.choice(["v1", "v2"])),
            "role": str(rng.choice(["champion", "shadow"])),
            "status": str(rng.choice(["ok", "error", "timeout"], p=[0.8, 0.1, 0.1])),
            "happened_at": int(at.timestamp() * 1e6),
            "logged_at": int(at.timestamp() * 1e6),
            "prediction": str(rng.choice(["ok", "bad", ""])),
            "in_a": float(rng.random()) if rng.random() < 0.7 else None,
            "seg_line": str(rng.choice(["L1", "L2"])) if rng.random() < 0.9 else None,
        }
        if rng.random() < 0.5:
            row |= {"latency_ms": float(rng.lognormal(3, 1)), "score": float(rng.random())}
        if row["role"] == "shadow":
            row["champion_prediction"] = "ok"
        made.append(row)
    return pa.Table.from_batches([from_rows(made, SPEC)])


def test_cells_equal_counting_by_hand() -> None:
    table = events(2000)
    cells = summarise(table, SPEC.segment_keys)
    for grain_s in GRAINS_S:
        for key in ("", "line", "shift"):
            mine = [cell for cell in cells if cell["grain_s"] == grain_s and cell["segment_key"] == key]
            expected: Counter[tuple[object, ...]] = Counter()
            agreed: Counter[tuple[object, ...]] = Counter()
            missing: Counter[tuple[object, ...]] = Counter()
            for row in table.to_pylist():
                second = int(row["happened_at"].timestamp()) // grain_s * grain_s
                value = (row["seg_" + key] or "") if key else ""
                place = (second, row["version"], row["role"], value)
                expected[place] += 1
                agreed[place] += (
                    row["champion_prediction"] is not None and row["champion_prediction"] == row["prediction"]
                )
                missing[place] += (row["in_a"] is None) + (row["in_c"] is None)
            got = {(int(c["bucket_at"].timestamp()), c["version"], c["role"], c["segment_value"]): c for c in mine}
            assert {place: cell["n_events"] for place, cell in got.items()} == expected
            assert {place: cell["n_agreed"] for place, cell in got.items()} == {p: agreed[p] for p in expected}
            assert {place: cell["n_missing_fields"] for place, cell in got.items()} == {p: missing[p] for p in expected}


def test_small_maps_count_labels_fields_and_errors() -> None:
    table = events(500)
    day = merge_cells(
        [
            [
                {**cell, "bucket_at": START, "version": "", "role": ""}
                for cell in summarise(table)
                if cell["grain_s"] == 86_400
            ]
        ]
    )[0]
    rows = table.to_pylist()
    assert day["counts"]["labels"] == Counter(row["prediction"] for row in rows)
    assert day["counts"]["missing"]["a"] == sum(row["in_a"] is None for row in rows)
    assert day["counts"]["errors"] == Counter(row["status"] for row in rows if row["status"] != "ok")
    assert day["n_null_outputs"] == sum(row["prediction"] == "" for row in rows)


def test_cells_of_parts_merge_to_the_cells_of_the_whole() -> None:
    one, two = events(300, 1), events(300, 2)
    merged = merge_cells([summarise(one, ["line"]), summarise(two, ["line"])])
    whole = summarise(pa.concat_tables([one, two]), ["line"])

    def key(cell: dict[str, object]) -> tuple[object, ...]:
        return tuple(cell[name] for name in ("grain_s", "bucket_at", "version", "role", "segment_key", "segment_value"))

    got = {key(cell): cell for cell in merged}
    for cell in whole:
        other = got.pop(key(cell))
        assert other["score_sum"] == pytest.approx(cell["score_sum"])
        assert other["latency"] == cell["latency"]
        assert other["counts"] == cell["counts"]
        assert other["n_events"] == cell["n_events"]
    assert not got


def test_many_labels_are_kept_up_to_a_limit_and_summed_beyond() -> None:
    rows = [
        {
            "event_id": str(n),
            "version": "v",
            "role": "champion",
            "status": "ok",
            "happened_at": 0,
            "logged_at": 0,
            "prediction": f"label {n}",
        }
        for n in range(MAX_KEYS * 3)
    ]
    labels = summarise(pa.Table.from_batches([from_rows(rows, SPEC)]))[0]["counts"]["labels"]
    assert len(labels) == MAX_KEYS
    assert sum(labels.values()) == MAX_KEYS * 3
    assert labels[OTHER] > 1


def test_every_latency_is_estimated_within_one_per_cent() -> None:
    values = np.concatenate([np.geomspace(1e-6, 1e9, 20_000), [0.0]])
    estimates = value_of(bucket_of(values))
    assert estimates[-1] == 0
    assert np.max(np.abs(estimates[:-1] - values[:-1]) / values[:-1]) <= RELATIVE_ERROR * 1.000001


def test_quantiles_of_merged_histograms_are_those_of_all_values() -> None:
    rng = np.random.default_rng(3)
    parts = [rng.lognormal(3, 1, 5000) for _ in range(4)]
    blobs = [encode(*np.unique(bucket_of(part), return_counts=True)) for part in parts]
    buckets, counts = decode(merge(blobs))
    whole = np.concatenate(parts)
    for q in (0.5, 0.9, 0.99):
        assert quantile(buckets, counts, q) == pytest.approx(np.quantile(whole, q, method="lower"), rel=0.011)
    assert quantile(*decode(b""), 0.5) is None
    assert not math.isnan(float(value_of(np.array([0]))[0]))
