"""Numbers in roll-ups: any sign and size within one per cent, names that look the same, and metrics without end."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import entropy

from db.analytics.catalog import BY_NAME
from db.analytics.cells import merge_histogram
from db.analytics.measure import Measure, Moment
from db.analytics.measures.latency import percentiles
from db.analytics.sliding import SlidingCells, Steps, place_cells
from db.analytics.windows import make_window
from db.eventlog import numbers
from db.eventlog.columns import align
from db.eventlog.rollup import summarise_events
from db.eventlog.schema import InputField, ModelSpec
from tests.analytics.conftest import START


def rows(spec: ModelSpec, **columns: list[object]) -> pa.Table:
    n = len(next(iter(columns.values())))
    base = {"version": ["v"] * n, "role": ["champion"] * n, "status": ["ok"] * n, "happened_at": [START] * n}
    return align(pa.table(base | {name: pa.array(values) for name, values in columns.items()}), spec.stored)


def day(table: pa.Table, spec: ModelSpec) -> dict[str, numbers.Kept]:
    cells = [cell for cell in summarise_events(table, spec) if cell["grain_s"] == 86_400]
    return numbers.decode(cells[0]["numbers"])


def test_numbers_of_any_sign_and_size_are_within_one_per_cent() -> None:
    size = np.geomspace(1e-8, 1e100, 5_000)
    values = np.concatenate([-size[::-1], [0.0], size])
    buckets = numbers.signed_bucket_of(values)
    assert (np.diff(buckets) >= 0).all()
    estimates = numbers.value_of(buckets)
    assert estimates[len(size)] == 0
    assert np.max(np.abs(np.delete(estimates - values, len(size)) / np.delete(values, len(size)))) <= 0.0100001


def test_percentiles_of_merged_parts_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(4)
    parts = [rng.normal(0, 30, 4_000) for _ in range(3)]
    blobs = []
    for part in parts:
        buckets, counts = np.unique(numbers.signed_bucket_of(part), return_counts=True)
        kept = numbers.Kept(len(part), float(part.sum()), numbers.encode_histogram(buckets, counts))
        blobs.append(numbers.encode({"metric:depth": kept}))
    merged = numbers.decode(numbers.merge(blobs))["metric:depth"]
    whole = np.concatenate(parts)
    assert (merged.n, merged.total) == (12_000, pytest.approx(whole.sum()))
    buckets, counts = numbers.decode_histogram(merged.histogram)
    triples = merge_histogram([(0, buckets, counts)])
    for share in (0.05, 0.5, 0.95):
        exact = np.percentile(whole, share * 100, method="inverted_cdf")
        assert percentiles(triples, 1, share, numbers.value_of)[0] == pytest.approx(exact, rel=0.0101)


def test_undeclared_metrics_are_charted_and_names_that_look_the_same_are_one() -> None:
    spec = ModelSpec("1", "m", metrics=("\u00e9",))
    extra = ['{"metrics":{"e\u0301":3,"depth ":-2.5}}', None, '{"inputs":{"metrics":1}}', '{"metrics":{"depth":0}}']
    found = day(rows(spec, metric_é=[1.0, None, None, None], extra=extra), spec)
    assert {name: (kept.n, kept.total) for name, kept in found.items()} == {
        "metric:\u00e9": (2, 4.0),
        "metric:depth": (2, -2.5),
    }


def test_metric_names_without_end_are_bounded() -> None:
    spec = ModelSpec("1", "m")
    extra = [f'{{"metrics":{{"often":1,"m{place}":1}}}}' for place in range(10_000)]
    found = day(rows(spec, extra=extra), spec)
    assert len(found) == numbers.MAX_METRICS
    assert found["metric:often"].n == 10_000
    more = numbers.encode({f"metric:x{place}": found["metric:often"] for place in range(400)})
    merged = numbers.decode(numbers.merge([numbers.encode(found), more]))
    assert len(merged) == numbers.MAX_NAMES
    assert merged["metric:often"].n == 10_000


def test_constant_absent_and_undefined_numbers_make_no_trouble() -> None:
    spec = ModelSpec("1", "m", metrics=("same", "none", "odd"))
    table = rows(
        spec,
        metric_same=[7.0] * 4,
        metric_none=pa.nulls(4, pa.float64()),
        metric_odd=[float("inf"), float("-inf"), float("nan"), 1e300],
    )
    found = day(table, spec)
    assert set(found) == {"metric:same", "metric:odd"}
    assert len(numbers.decode_histogram(found["metric:same"].histogram)[0]) == 1
    assert (found["metric:odd"].n, found["metric:odd"].total) == (1, 1e300)


def test_entropy_is_that_of_scipy_also_over_ten_thousand_labels() -> None:
    rng = np.random.default_rng(9)
    weights = [rng.random(3), rng.random(10_000), np.array([1.0, 0.0]), np.array([0.0, 0.0])]
    texts = ["{" + ",".join(f'"a\\"{place}":{value}' for place, value in enumerate(row)) + "}" for row in weights]
    found = numbers.entropies(pa.array([*texts, None, "{}"], pa.string())).to_pylist()
    assert found[:3] == pytest.approx([entropy(row) for row in weights[:3]])
    assert found[3:] == [None, None, None]


def test_ten_thousand_categories_are_looked_up_not_listed_by_hand() -> None:
    known = tuple(f"c{place}" for place in range(10_000))
    spec = ModelSpec("1", "m", inputs=(InputField("part", "string", categories=known),))
    seen = [*known[::2], "new", "c0 ", None]
    cells = [cell for cell in summarise_events(rows(spec, in_part=seen), spec) if cell["grain_s"] == 86_400]
    assert cells[0]["counts"]["unseen"] == {"part": 2}


def test_percentiles_over_overlapping_windows_see_all_values_of_each_window() -> None:
    rng = np.random.default_rng(2)
    spec = ModelSpec("1", "m", metrics=("depth",))
    steps = Steps(START.replace(hour=2), 5, 3_600, 7_200)
    values = [rng.normal(0, 9, 500) for _ in range(6)]
    tables = [
        rows(spec, metric_depth=list(part)).set_column(
            spec.stored.get_field_index("happened_at"),
            spec.stored.field("happened_at"),
            pa.array([START.replace(hour=hour)] * len(part), spec.stored.field("happened_at").type),
        )
        for hour, part in enumerate(values)
    ]
    cells = [cell for cell in summarise_events(pa.concat_tables(tables), spec) if cell["grain_s"] == 3_600]
    table = pa.table(
        {
            "bucket_at": pa.array([cell["bucket_at"] for cell in cells], pa.timestamp("us", tz="UTC")),
            "numbers": pa.array([cell["numbers"] for cell in cells], pa.binary()),
        }
    )
    placed = place_cells(table, [""] * len(cells), [""], steps)
    assert isinstance(placed, SlidingCells)
    n, total, histogram = placed.number("metric:depth")
    pairs = [np.concatenate(values[hour : hour + 2]) for hour in range(5)]
    assert n.tolist() == [[1_000.0] * 5]
    assert total[0] == pytest.approx([pair.sum() for pair in pairs])
    exact = [np.percentile(pair, 90, method="inverted_cdf") for pair in pairs]
    assert percentiles(histogram, 5, 0.9, numbers.value_of) == pytest.approx(exact, rel=0.0101)


def test_percentiles_of_files_equal_numpy_also_below_zero() -> None:
    rng = np.random.default_rng(5)
    spec = ModelSpec("1", "m", item_kind="audio")
    volume = -rng.gamma(4, 6, 4_000)
    table = rows(spec, media_volume_dbfs=volume.tolist())
    cells = [cell for cell in summarise_events(table, spec) if cell["grain_s"] == 3_600]
    counted = pa.table(
        {
            "bucket_at": pa.array([cell["bucket_at"] for cell in cells], pa.timestamp("us", tz="UTC")),
            "numbers": pa.array([cell["numbers"] for cell in cells], pa.binary()),
        }
    )
    hour = Steps(START.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1), 1, 3_600, 3_600)
    placed = place_cells(counted, [""] * len(cells), [""], hour)
    measure = BY_NAME["audio_volume_percentiles"]
    assert isinstance(measure, Measure)
    found = measure.compute(placed, Moment(make_window(START, START + timedelta(hours=1), 3_600), START))
    exact = [np.percentile(volume, share, method="inverted_cdf") for share in (5, 25, 50, 75, 95)]
    assert found.series == ("p5", "p25", "p50", "p75", "p95")
    assert found.value[:, 0] == pytest.approx(exact, rel=0.0101)
