"""Bins frozen from a reference: what is computed from them agrees with SciPy on the values, and codes with reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from backend.drift.verdicts import Rules
from db.eventlog.feature_bins import MAX_CATEGORIES, bin_labels, from_dict, make_bins
from db.eventlog.feature_counts import count_cells, decode_counts, encode_counts, to_days
from db.eventlog.feature_profile import decode_profile, make_profile
from tests.drift.profiles import judge

N = 60_000
Draw = Callable[[np.random.Generator, Any], Any]
PAIRS: dict[str, Draw] = {
    "normal": lambda rng, is_current: rng.normal(0.3 * is_current, 1, N),
    "far normal": lambda rng, is_current: rng.normal(3.0 * is_current, 1, N),
    "wider": lambda rng, is_current: rng.normal(0, 1 + 0.4 * is_current, N),
    "lognormal": lambda rng, is_current: rng.lognormal(0.2 * is_current, 1, N),
    "uniform": lambda rng, is_current: rng.random(N) ** (1 + 0.2 * is_current),
    "counts": lambda rng, is_current: rng.poisson(4 + is_current, N).astype(float),
    "large counts": lambda rng, is_current: rng.poisson(1_000 + 20 * is_current, N).astype(float),
    "flags": lambda rng, is_current: (rng.random(N) < 0.3 + 0.1 * is_current).astype(float),
    "zero inflated": lambda rng, is_current: np.where(
        rng.random(N) < 0.4 + 0.1 * is_current, 0, rng.lognormal(0.1 * is_current, 1, N)
    ),
}


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_distances_from_bins_are_within_a_percent_of_scipys(name: str) -> None:
    rng = np.random.default_rng(len(name))
    reference, current = PAIRS[name](rng, False), PAIRS[name](rng, True)
    found = judge({"in_x": reference}, {"in_x": current}, Rules(0.01))["in_x"]
    bins = make_bins("in_x", pa.array(reference))
    assert found.ks == pytest.approx(stats.ks_2samp(reference, current).statistic, rel=0.01)
    assert found.wasserstein is not None
    assert bins.scale is not None
    assert found.wasserstein * bins.scale == pytest.approx(stats.wasserstein_distance(reference, current), rel=0.01)


def test_robust_scale_is_the_iqr_of_the_reference() -> None:
    values = np.random.default_rng(1).normal(3, 2, 40_000)
    bins = make_bins("in_x", pa.array(values))
    assert bins.scale == pytest.approx(stats.iqr(values) / 1.349, rel=1e-3)
    assert len(bins.groups) == 11
    shares = np.add.reduceat(bins.counts, np.array(bins.groups))[:10] / len(values)
    assert shares == pytest.approx(np.full(10, 0.1), abs=0.001)


def test_every_value_has_one_bin_and_its_label_holds_it() -> None:
    rng = np.random.default_rng(2)
    bins = make_bins("in_x", pa.array(rng.normal(size=5_000)))
    values = [0.0, -3.3, 1e9, -1e9, float("inf"), float("-inf"), None, float("nan")]
    codes = bins.codes(pa.array(values, pa.float64(), from_pandas=False))
    labels = list(bin_labels(bins))
    for value, code in zip(values, codes.tolist(), strict=True):
        text, low, high = labels[code]
        if value is None or value != value:
            assert (text, code) == ("null", bins.null_bin)
        else:
            assert low is None or value > low
            assert high is None or value <= high


def test_categories_have_listed_other_unseen_and_null_bins() -> None:
    names = [f"c{i}" for i in range(MAX_CATEGORIES + 20) for _ in range(300 - 2 * i)]
    values = pa.array([*names, "once", None])
    bins = make_bins("in_c", values)
    assert len(bins.categories) == MAX_CATEGORIES
    assert bins.counts.sum() == len(values)
    other, unseen, null = bins.counts[-3:].tolist()
    assert (unseen, null) == (1, 1)
    # Clearly more frequent than the first without a place; of those alike a hash of the name decides.
    assert set(bins.categories) > {f"c{i}" for i in range(84)}
    unlisted = [i for i in range(MAX_CATEGORIES + 20) if f"c{i}" not in bins.categories]
    assert other == sum(300 - 2 * i for i in unlisted)
    assert bins.count(pa.array(["c0", f"c{unlisted[0]}", "never", None])).tolist()[-3:] == [1, 1, 1]


def test_ten_thousand_categories_do_not_alarm_on_themselves_or_on_later_rows() -> None:
    rng = np.random.default_rng(3)

    def draw(n: int) -> Any:
        return np.char.add(
            "user-", np.where(rng.random(n) < 0.5, rng.zipf(1.3, n), rng.integers(0, 40_000, n)).astype(str)
        )

    reference = draw(60_000)
    assert len(np.unique(reference)) > 10_000
    assert judge({"in_id": reference}, {"in_id": reference})["in_id"].psi == 0
    for n in (500, 5_000, 60_000):
        assert judge({"in_id": reference}, {"in_id": draw(n)})["in_id"].verdict in ("ok", "insufficient")
    flood = np.where(rng.random(5_000) < 0.5, "bot", draw(5_000))
    found = judge({"in_id": reference}, {"in_id": flood})["in_id"]
    assert (found.verdict, found.reason) == ("drifted", "new_category")


MANY: dict[str, Draw] = {
    "10,000 alike": lambda rng, n: rng.integers(0, 10_000, n),
    "1,000 alike": lambda rng, n: rng.integers(0, 1_000, n),
    "150 alike": lambda rng, n: rng.integers(0, 150, n),
    "a long tail": lambda rng, n: rng.geometric(0.003, n),
    "one and a thousand": lambda rng, n: np.where(rng.random(n) < 0.5, 0, rng.integers(1, 1_000, n)),
}


@pytest.mark.parametrize("name", sorted(MANY))
@pytest.mark.parametrize(("m", "n"), [(2_000, 500), (12_000, 3_000), (12_000, 20_000)])
def test_many_categories_that_are_alike_do_not_alarm_on_later_rows(name: str, m: int, n: int) -> None:
    """The most frequent of many alike are so by chance: bins for them would be rarer in every later window."""
    rng = np.random.default_rng([m, n])
    found = [
        judge({"in_c": MANY[name](rng, m).astype(str)}, {"in_c": MANY[name](rng, n).astype(str)}, Rules(1 / 720))
        for _ in range(3)
    ]
    assert {one["in_c"].verdict for one in found} <= {"ok", "insufficient"}


@pytest.mark.parametrize("grown", range(0, 150, 30))
def test_any_one_of_many_categories_that_grows_is_drift_whether_it_has_a_bin_or_not(grown: int) -> None:
    rng = np.random.default_rng(6)
    reference, current = rng.integers(0, 150, 12_000), rng.integers(0, 150, 3_000)
    current[rng.random(3_000) < 0.15] = grown
    found = judge({"in_c": reference.astype(str)}, {"in_c": current.astype(str)})["in_c"]
    assert (found.verdict, found.reason) == ("drifted", "shares")


@pytest.mark.parametrize(
    ("kind", "values", "codes"),
    [
        (pa.bool_(), [True, False, None], [0, 1, 4]),
        (pa.int64(), [3, None, 3], None),
        (pa.large_string(), ["a", "b", "a"], None),
    ],
)
def test_flags_integers_and_large_texts_are_binned(kind: pa.DataType, values: list[Any], codes: Any) -> None:
    column = pa.array(values * 10, kind)
    bins = make_bins("in_x", column)
    assert bins.count(column).sum() == 30
    if codes is not None:
        assert sorted(set(bins.codes(column).tolist())) == codes


def test_a_profile_survives_its_bytes() -> None:
    rng = np.random.default_rng(4)
    table = pa.table(
        {"in_x": rng.normal(size=900), "in_c": rng.choice(["a", "b"], 900), "in_n": pa.nulls(900, pa.int64())}
    )
    profile = make_profile(table, table.schema.names)
    again = decode_profile(profile.encode())
    assert again.encode() == profile.encode()
    assert again.counts.tolist() == profile.counts.tolist()
    for bins, other in zip(profile.features, again.features, strict=True):
        assert from_dict(bins.to_dict()).edges.tolist() == other.edges.tolist()


@pytest.mark.parametrize("top", [0, 255, 256, 70_000, 2**33])
def test_counts_survive_their_bytes(top: int) -> None:
    counts = np.array([0, 1, top, 0, 7])
    assert decode_counts(encode_counts(counts)).tolist() == counts.tolist()


def test_cells_add_up_whatever_the_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from db.eventlog import feature_counts
    from db.eventlog.schema import InputField, ModelSpec
    from tests.drift.conftest import START, make_events

    rng = np.random.default_rng(5)
    spec = ModelSpec("m", "m", inputs=(InputField("x", "number"),), segment_keys=("line",))
    events = make_events(spec, {"in_x": rng.normal(size=2_000), "score": rng.random(2_000)}, START, timedelta(hours=50))
    profile = make_profile(events, ["in_x", "score"])
    whole = {cell.key: (cell.n_events, cell.counts.tolist()) for cell in count_cells(profile, events, ("line",))}
    monkeypatch.setattr(feature_counts, "_MAX_GRID", profile.n_bins * 3)
    cut = {cell.key: (cell.n_events, cell.counts.tolist()) for cell in count_cells(profile, events, ("line",))}
    assert cut == whole
    hours = [key for key in whole if key[0] == 3600 and key[4] == ""]
    assert len(hours) == 50
    assert sum(whole[key][0] for key in hours) == 2_000
    assert {key[5] for key in whole if key[4] == "line"} == {"L1", "L2"}
    days = to_days([cell for cell in count_cells(profile, events) if cell.key[0] == 3600])
    assert [cell.n_events for cell in days] == [960, 960, 80]


@pytest.mark.parametrize("seed", range(6))
def test_looking_edges_up_is_exactly_the_binary_search(seed: int) -> None:
    from db.eventlog.edge_search import EdgeSearch

    rng = np.random.default_rng(seed)
    draws = [
        rng.normal(size=3_000),
        rng.lognormal(0, 2, 3_000),
        rng.random(3_000) * 1e-300,
        rng.normal(size=3_000) * 1e300,
    ]
    for draw in draws:
        edges = np.unique(draw[: 40 + 30 * seed])
        search = EdgeSearch(edges, *np.quantile(edges, [0.02, 0.97]))
        near = [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)]
        values = np.concatenate([draw, *near, [np.inf, -np.inf, 0.0, -0.0]])
        assert (search.find(values) == np.searchsorted(edges, values)).all()
        assert search.find(np.array([np.nan, 1.0])).tolist()[0] == len(edges) + 1
